"""Writes a space-time diagram as a web page in one file. The web page needs no server and no network.

The file contains the style and the JavaScript of the cluster page. A web page that a browser opens from a file may not
load JavaScript from other files. So the web page has an import map, with a data URL for each JavaScript file.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from dataclasses import asdict
from html import escape
from pathlib import Path
from string import Template

from cluster.diagram.recorder import Recorder
from cluster.drivers.driver import BEGINNING_US

PAGE = Path(__file__).with_suffix(".html")
STATIC = Path(__file__).parent.parent.parent / "web" / "static"
FIRST = "cluster/diagram-file.js"
STYLES = ("base.css", "cluster-diagram.css")
IMPORTED = re.compile(r'(?<= from ")\.[^"]+')


def web_page(title: str, recorder: Recorder) -> str:
    """Return a web page with the diagram of the recorded steps."""
    run = {
        "steps": [asdict(step) for step in recorder.steps],
        "writes": recorder.writes,
        "labels": recorder.labels,
        "beginning_us": BEGINNING_US,
    }
    return Template(PAGE.read_text("utf-8")).substitute(
        title=escape(title),
        style="".join((STATIC / name).read_text("utf-8") for name in STYLES),
        modules=json.dumps({"imports": _modules()}),
        run=json.dumps(run).replace("<", "\\u003c"),  # so that no text of a user ends the element
    )


def _modules() -> dict[str, str]:
    """Return a map from the path of each JavaScript file to its data URL."""
    found: dict[str, str] = {}
    missing = {FIRST}
    while missing:
        path = missing.pop()
        text = _with_paths(path, (STATIC / path).read_text("utf-8"))
        found[path] = f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"
        missing |= set(re.findall(r' from "([^"]+)', text)) - set(found)
    return found


def _with_paths(path: str, script: str) -> str:
    """Replace the relative import paths in a JavaScript file, and return the new content of the file. `script` is the
    old content, and `path` is the path of the file in web/static. Each relative import path becomes the path of the
    imported file in web/static.

    JavaScript in a data URL has no folder, so relative imports do not work there.
    """
    folder = posixpath.dirname(path)
    return IMPORTED.sub(lambda name: posixpath.normpath(posixpath.join(folder, name[0])), script)
