"""Finds the addresses of replicas in config.yaml and in the file that `use` writes. This module sends no requests.

Every value in config.yaml is read as text, so the label 6.12 stays a name and does not become a number.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayou.names import split_address
from cli.problems import Problem, Usage
from cli.state import read_json_file, replace_file, state_file

CONFIG_NAME = "config.yaml"
ADDRESS_DEFAULT = "127.0.0.1:8001"


@dataclass(frozen=True)
class ReplicaAddress:
    """A replica's label and the URL of its REST interface.

    A user may give an address that is not in config.yaml. This address is then also the label of the replica.
    """

    label: str
    url: str

    @property
    def short_url(self) -> str:
        return self.url.removeprefix("http://")


@dataclass(frozen=True)
class Directory:
    """The replicas of a config.yaml by label, in the order of the file. Without a file, the directory is empty.

    If the setting `rest` of a replica is a loopback address, the client uses https:// and the host in the setting
    `public`. Without `public`, the client uses the loopback address.
    """

    path: Path | None = None
    replicas: Mapping[str, ReplicaAddress] = field(default_factory=dict)

    @property
    def first(self) -> ReplicaAddress:
        return next(iter(self.replicas.values()), self.find(ADDRESS_DEFAULT))

    def find(self, name: str) -> ReplicaAddress:
        """Return the address of the replica with this label, URL or HOST:PORT. Raise Usage if the label is unknown."""
        if name in self.replicas:
            return self.replicas[name]
        if ":" in name:
            url = _url_of(name)
            unnamed = ReplicaAddress(url.removeprefix("http://"), url)
            return next((address for address in self.replicas.values() if address.url == url), unnamed)
        known = f"{self.path} names {', '.join(self.replicas)}" if self.replicas else "There is no config.yaml here"
        raise Usage(f"No replica is called {name!r}. {known}. Give a label, an address HOST:PORT or a URL.")


def read_directory(given: str | None) -> Directory:
    """Read the replicas from the configuration file `given`.

    If `given` is None, read config.yaml in the current folder. If there is no such file, read config.yaml in the folder
    of client.py.
    """
    if given is not None:
        return _parse(Path(given))
    for folder in (Path.cwd(), Path(__file__).resolve().parent.parent):
        if (folder / CONFIG_NAME).is_file():
            return _parse(folder / CONFIG_NAME)
    return Directory()


def recall(user: str, environment: Mapping[str, str]) -> ReplicaAddress | None:
    """Return the replica that this user chose with `use`. Return None if the user has not chosen a replica."""
    kept = read_json_file(state_file(user, ".json", environment))
    label, url = kept.get("replica"), kept.get("url")
    return ReplicaAddress(label, url) if isinstance(label, str) and isinstance(url, str) and label and url else None


def remember(user: str, address: ReplicaAddress, environment: Mapping[str, str]) -> None:
    path = state_file(user, ".json", environment)
    try:
        replace_file(path, json.dumps({"replica": address.label, "url": address.url}))
    except OSError as error:
        raise Problem(
            "state_unwritable", f"Cannot store the chosen replica in {path}: {error.strerror}. Check the folder."
        ) from error


def _parse(path: Path) -> Directory:
    import yaml  # noqa: PLC0415 (only where there is such a file)

    try:
        data: Any = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # every scalar stays text
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"Cannot read {path}: {error}. Name another file with --config.") from error
    except yaml.YAMLError as error:
        raise Usage(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    replicas = data.get("replicas") if isinstance(data, dict) else None
    addresses = {}
    for label, entry in replicas.items() if isinstance(replicas, dict) else ():
        address = entry.get("rest") if isinstance(entry, dict) else None
        if not isinstance(address, str) or not address:
            raise Usage(f"{path}: the replica {label!r} has no `rest` address. Write `rest: HOST:PORT`.")
        public = entry.get("public")
        if isinstance(public, str) and public and _is_loopback(address):
            address = f"https://{public}"  # the reverse proxy, because nobody else reaches the replica
        addresses[str(label)] = ReplicaAddress(str(label), _url_of(address))
    return Directory(path, addresses)


def _is_loopback(address: str) -> bool:
    host = (split_address(address) or ("", 0))[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url_of(address: str) -> str:
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Usage(f"{address!r} is not the address of a replica. Write HOST:PORT, or a URL with http:// or https://.")
    return url
