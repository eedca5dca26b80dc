"""Draws docs/terminals.svg for the README: four terminals in a real run. `make picture` runs this program.

The program starts the replicas of config.yaml with an empty data folder, and lets three people use the replicas. Then
it draws what the four terminals show: the output of each `server.py`, and one user's commands with their results.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from cluster.processes import Processes
from cluster.waiting import wait_until
from replica.config import load

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "terminals.svg"
STATE_TIMEOUT_S = 20.0

COLUMNS = 76
ROWS = 15
CELL_WIDTH, CELL_HEIGHT = 8.0, 18.0
PADDING, GAP, BAR = 12.0, 16.0, 28.0
WIDTH, HEIGHT = COLUMNS * CELL_WIDTH + 2 * PADDING, ROWS * CELL_HEIGHT + 2 * PADDING + BAR
STYLE = """\
text { font: 13.3px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee9 }
.bar { fill: #8b93a5 } .bold { font-weight: bold } .dark { opacity: 0.55 }
"""
SGR = re.compile(r"\x1b\[([0-9;]*)m")
COLORS = {
    "30": "#161b22", "31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60", "34": "#79b8ff", "35": "#e39df5",
    "36": "#56d4dd", "90": "#8b93a5",
}  # fmt: skip
BACKGROUNDS = {"43": "#f2cc60"}
ATTRIBUTES = {"1": "bold", "2": "dark"}

Run = tuple[str, frozenset[str]]  # text, and the codes it is shown with


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copy(ROOT / "config.yaml", "config.yaml")
        terminals = _play(Path("config.yaml"))
    PICTURE.write_text(_svg(terminals), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)} is drawn.")
    return 0


def _play(configuration: Path) -> dict[str, list[str]]:
    """Run the replicas and the commands of the users. Return a map from the title of each terminal to the lines that it
    shows."""
    said: dict[str, list[str]] = {label: [] for label in load(configuration).replicas}
    processes = Processes(configuration, lambda label, line: said[label].append(line or ""), color=True)
    neil: list[str] = []
    try:
        processes.start()
        processes.wait_until_serving()
        neil += _at_prompt("neil", "three", "link cut one two")
        _at_prompt("vish", "one", "reserve --room 6.12 --at tomorrow 9:00 --for 1h")
        _await(said["two"], "#1")
        _at_prompt("priyal", "two", "reserve --room 6.12 --at tomorrow 9:00 --for 1h --or 10:00")
        neil += _at_prompt("neil", "three", "reserve --room 6.12 --at tomorrow 9:00 --for 1h --or 11:00")
        _await(said["two"], "#2")
        neil += _at_prompt("neil", "three", "link heal one two")
        for label in processes.labels:
            _await(said[label], "#3")
        neil += _at_prompt("neil", "three", "status")
        shown = {f"python server.py {label}": list(lines) for label, lines in said.items()}
    finally:
        processes.stop()
    return shown | {"python client.py neil": neil}


def _await(lines: Sequence[str], text: str) -> None:
    wait_until(lambda: any(text in line for line in lines), STATE_TIMEOUT_S, f"a replica says {text}")


def _at_prompt(user: str, label: str, line: str) -> list[str]:
    """Run a command of the client. Return what the terminal shows: the prompt with the command, then the output."""
    color = {"one": 36, "two": 35, "three": 34}[label]
    environment = os.environ | {
        "TERM": "xterm-256color", "PYTHONUTF8": "1", "COLUMNS": str(COLUMNS), "XDG_STATE_HOME": str(Path.cwd()),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "client.py"), user, "--replica", label, *line.split()]
    return [f"{user}@\x1b[{color}m{label}\x1b[0m> {line}", *_on_terminal(command, environment).splitlines()]


def _on_terminal(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run a command on a new terminal, so that the command prints in colour. Return the output of the command."""
    ours, its = pty.openpty()
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    written = b""
    with process, os.fdopen(ours, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # the end of the output
        while part := screen.read(4096):
            written += part
    if process.returncode:
        raise RuntimeError(f"{command} ended with status {process.returncode}: {written.decode()}")
    return written.decode()


def _svg(terminals: dict[str, list[str]]) -> str:
    width, height = 2 * WIDTH + GAP, 2 * HEIGHT + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" xml:space="preserve">',
        "<title>Three replicas of Bayou and a user's prompt</title>",
        f"<style>{STYLE}</style>",
    ]
    for number, (title, lines) in enumerate(terminals.items()):
        left, top = (number % 2) * (WIDTH + GAP), (number // 2) * (HEIGHT + GAP)
        parts.append(f'<g transform="translate({left:g} {top:g})">')
        parts += [*_terminal(title, lines), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _terminal(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" rx="8" fill="#161b22"/>'
    yield f'<path d="M0 {BAR:g}V8a8 8 0 0 1 8-8H{WIDTH - 8:g}a8 8 0 0 1 8 8V{BAR:g}z" fill="#2b313b"/>'
    yield f'<text class="bar" x="{PADDING:g}" y="{BAR - 9:g}">{escape(title)}</text>'
    rows = [row for line in lines for row in _wrapped(_runs(line))]
    for number, row in enumerate(rows[-ROWS:]):
        yield from _row(row, BAR + PADDING + (number + 0.75) * CELL_HEIGHT)


def _row(row: Sequence[Run], y: float) -> Iterator[str]:
    """Yield the SVG of one row. Each run of text has its own x and length, so that columns line up in any font."""
    column = 0
    for text, codes in row:
        bare = text.strip(" ")
        if bare:
            x = PADDING + (column + len(text) - len(text.lstrip(" "))) * CELL_WIDTH
            names = " ".join(ATTRIBUTES[code] for code in sorted(codes & ATTRIBUTES.keys()))
            color = next((f' style="fill: {COLORS[code]}"' for code in codes & COLORS.keys()), "")
            kind = f' class="{names}"' if names else ""
            length = _width(bare) * CELL_WIDTH
            for code in codes & BACKGROUNDS.keys():
                top = y - 0.75 * CELL_HEIGHT
                size = f'width="{length:g}" height="{CELL_HEIGHT:g}" style="fill: {BACKGROUNDS[code]}"'
                yield f'<rect x="{x:g}" y="{top:g}" {size}/>'
            yield f'<text x="{x:g}" y="{y:g}" textLength="{length:g}"{kind}{color}>{escape(bare)}</text>'
        column += _width(text)


def _runs(line: str) -> list[Run]:
    """Split a line into runs of text that have the same colour and attributes."""
    runs: list[Run] = []
    codes: frozenset[str] = frozenset()
    for number, part in enumerate(SGR.split(line)):
        if number % 2 == 0:
            runs.append((part, codes))
        else:
            asked = {code.removeprefix("0") for code in part.split(";")}
            codes = frozenset() if asked <= {""} else codes | asked
    return [run for run in runs if run[0]]


def _wrapped(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Break a line into rows of at most COLUMNS characters, as a terminal does."""
    row: list[Run] = []
    left = COLUMNS
    for text, codes in runs:
        while len(text) > left:
            yield [*row, (text[:left], codes)]
            row, text, left = [], text[left:], COLUMNS  # noqa: PLW2901
        row.append((text, codes))
        left -= len(text)
    yield row


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


if __name__ == "__main__":
    sys.exit(main())
