"""A namespace and the scripts that work on it: what every part of the store stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from bayou.application import Application
from storage.keys import Namespace
from storage.members import MEMBERS
from storage.scripts import VERBS, script


class Scripted:
    """One replica's namespace in one Redis."""

    def __init__(self, client: Redis, label: str, applications: Sequence[Application]) -> None:
        self._redis: Any = client  # its annotations mix replies of several kinds of client
        self._label = label
        self._keys = Namespace(label)
        played = (MEMBERS, *applications)
        self._scripts = {verb: client.register_script(script(verb, played)) for verb in VERBS}

    def _run(self, verb: str, *arguments: Any) -> Any:
        return self._scripts[verb](keys=[self._keys.prefix], args=arguments)


def strings(flat: Sequence[bytes]) -> dict[str, str]:
    """A flat list of names and values, as a map."""
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def numbers(flat: Sequence[bytes]) -> dict[str, int]:
    """A flat list of names and decimal numbers, as a map."""
    return {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}


def texts(vector: Mapping[str, int]) -> dict[str, str]:
    """A vector as Lua takes it: stamps are text."""
    return {server: f"{stamp:016d}" for server, stamp in vector.items()}
