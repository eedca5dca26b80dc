"""Which replica a command speaks to: labels and addresses from config.yaml, and the one that a user chose last.

It reads and writes files, and asks no replica. Every value of the file is taken as text: a room is 6.12, not a number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.problems import Problem, Usage

CONFIG_NAME = "config.yaml"
ADDRESS_DEFAULT = "127.0.0.1:8001"


@dataclass(frozen=True)
class Place:
    """A replica's label (its address, where it has none in the configuration) and the URL of its REST service."""

    label: str
    url: str

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")


@dataclass(frozen=True)
class Directory:
    """The replicas of config.yaml, in its order; empty without such a file."""

    path: Path | None = None
    places: Mapping[str, Place] = field(default_factory=dict)

    def find(self, name: str) -> Place:
        """The replica of that label, or at that URL or HOST:PORT."""
        if name in self.places:
            return self.places[name]
        if "://" in name or ":" in name:
            url = _url_of(name)
            return next((place for place in self.places.values() if place.url == url), Place(_bare(url), url))
        known = f"{self.path} names {', '.join(self.places)}" if self.places else "there is no config.yaml here"
        raise Usage(f"No replica is called {name!r}: {known}. Give a label, an address HOST:PORT or a URL.")


Find = Callable[[str], Place]


def read_directory(given: str | None) -> Directory:
    """From the file given; else from config.yaml in the current folder, or beside client.py; else nothing."""
    if given is not None:
        return _parse(Path(given))
    for folder in (Path.cwd(), Path(__file__).resolve().parent.parent):
        if (folder / CONFIG_NAME).is_file():
            return _parse(folder / CONFIG_NAME)
    return Directory()


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where the client keeps what it remembers, by the XDG rules."""
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "bayou"


def choose(user: str, option: str | None, directory: Directory, environment: Mapping[str, str], find: Find) -> Place:
    """By --replica, else BAYOU_REPLICA, else what `use` remembered, else the first of config.yaml, else the default.

    `find` knows a replica by its name, or raises Usage.
    """
    if option:
        return find(option)
    if named := environment.get("BAYOU_REPLICA"):
        return _found(find, named, "the variable BAYOU_REPLICA")
    if remembered := recall(user, environment):
        # By its label where config.yaml has it, for the address there may be another one by now.
        return directory.places.get(remembered.label, remembered)
    return next(iter(directory.places.values()), directory.find(ADDRESS_DEFAULT))


def recall(user: str, environment: Mapping[str, str]) -> Place | None:
    """What `use` remembered for this user. A file that cannot be read counts as nothing."""
    try:
        kept = json.loads((state_folder(environment) / f"{user}.json").read_text("utf-8"))
        label, url = kept["replica"], kept["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Place(label, url) if isinstance(label, str) and isinstance(url, str) and label and url else None


def remember(user: str, place: Place, environment: Mapping[str, str]) -> None:
    """Keep the choice for this user's next commands; the file is replaced as a whole."""
    path = state_folder(environment) / f"{user}.json"
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"replica": place.label, "url": place.url}) + "\n", "utf-8")
        beside.replace(path)
    except OSError as error:
        raise Problem("state_unwritable", f"Cannot remember the choice in {path}: {error.strerror}.") from error


def _found(find: Find, name: str, source: str) -> Place:
    try:
        return find(name)
    except Usage as problem:
        raise Usage(f"{problem.message} (It comes from {source}; `use REPLICA` chooses another.)") from problem


def _parse(path: Path) -> Directory:
    import yaml  # noqa: PLC0415 (only where there is such a file)

    try:
        data: Any = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # every scalar stays text
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"Cannot read {path}: {error}.") from error
    except yaml.YAMLError as error:
        raise Usage(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    replicas = data.get("replicas") if isinstance(data, dict) else None
    places = {}
    for label, entry in (replicas or {}).items() if isinstance(replicas or {}, dict) else ():
        address = entry.get("rest") if isinstance(entry, dict) else None
        if not isinstance(address, str) or not address:
            raise Usage(f"{path}: the replica {label!r} has no `rest` address; write `rest: HOST:PORT`.")
        places[str(label)] = Place(str(label), _url_of(address))
    return Directory(path, places)


def _url_of(address: str) -> str:
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Usage(f"The address {address!r} is neither HOST:PORT nor an http or https URL.")
    return url


def _bare(url: str) -> str:
    return url.removeprefix("http://")
