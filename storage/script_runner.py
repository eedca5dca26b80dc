"""A namespace and the scripts that work on it: what every part of the store stands on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis import Redis, ResponseError

from bayou.application import LuaApplication, PageViews
from storage.keys import Namespace
from storage.members import MEMBERS
from storage.scripts import EMPTIED, VERBS, script

_NOTE = re.compile(r"#([0-9]{1,16})")


class Scripted:
    """One replica's namespace in one Redis. `emptied` is called when a script finds that the namespace is gone."""

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        emptied: Callable[[], object] = lambda: None,
    ) -> None:
        self._redis: Any = client  # its annotations mix replies of several kinds of client
        self._label = label
        self._emptied = emptied
        self._keys = Namespace(label)
        played = (MEMBERS, *applications)
        self._scripts = {verb: client.register_script(script(verb, played)) for verb in VERBS}

    def server(self) -> str | None:
        """The server id of the namespace, None while there is no namespace."""
        found = self._redis.hget(self._keys.meta, "id")
        return found.decode() if found else None

    def _run(self, verb: str, *arguments: Any) -> Any:
        try:
            return self._scripts[verb](keys=[self._keys.prefix], args=arguments)
        except ResponseError as error:
            if EMPTIED in str(error):
                self._emptied()
            raise


def strings(flat: Sequence[bytes]) -> dict[str, str]:
    """A flat list of names and values, as a map."""
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def flat_map(flat: Sequence[str]) -> dict[str, str]:
    """A flat list of names and values, out of JSON of Lua, where an empty list is an object."""
    each = iter(flat)
    return dict(zip(each, each, strict=True))


def stamps(flat: Sequence[str]) -> dict[str, int]:
    """The same of a vector."""
    return {server: int(stamp) for server, stamp in flat_map(flat).items()}


def page_views(committed: Mapping[str, str], tentative: Mapping[str, str] | None) -> PageViews:
    """A page as it is kept: its committed state with notes among the fields, and its tentative copy if it has one."""
    noted = [name for name in committed if name.startswith("#")]
    fields = {name: value for name, value in committed.items() if name not in noted} if noted else committed
    notes = {int(name[1:]): committed[name] for name in noted if _NOTE.fullmatch(name)}
    return PageViews(tentative=fields if tentative is None else tentative, committed=fields, notes=notes)


def numbers(flat: Sequence[bytes]) -> dict[str, int]:
    """A flat list of names and decimal numbers, as a map."""
    return {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}


def texts(vector: Mapping[str, int]) -> dict[str, str]:
    """A vector as Lua takes it: stamps are text."""
    return {server: f"{stamp:016d}" for server, stamp in vector.items()}
