"""The full state of a replica: read in parts on one side, staged and switched on the other (Petersen 1997, 4.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from redis import Redis

from bayou.application import LuaApplication
from bayou.payloads import Installed, ListPart, StateEnd, StatePages, StatePart
from storage.identity_file import mint
from storage.keys import KEYS
from storage.script_runner import Scripted

LIST_PART = 1000  # entries of a list in one part, about


class Ids(Protocol):
    """Who notes the id of this replica outside its namespace. `server` reads the id that the namespace has now."""

    def reserve(self, server: Callable[[], str | None]) -> str:
        """A fresh id, noted before the namespace may take it."""

    def learn(self, server: Callable[[], str | None]) -> object:
        """A full state was installed: note the id that the namespace has now."""


class Transfer(Scripted):
    """The part of the store that moves full states. `ids` is absent where there is no birth file."""

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        *,
        ids: Ids | None,
        emptied: Callable[[], object],
    ) -> None:
        super().__init__(client, label, applications, emptied)
        self._ids = ids

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart:
        """The committed pages behind the cursor (CSN, page), in the order of the CSN that changed them last."""
        end, generation, count, text, csn, name = self._run("read_state_part", *after, count_max, bytes_max)
        cursor = int(csn), name.decode()
        return StatePart(StatePages(count, text), cursor, _end(end) if end else None, generation.decode())

    def list_parts(self) -> Iterator[ListPart]:
        """All lists, in parts of a bounded size; what is added meanwhile may or may not be among them."""
        for name in self._redis.smembers(self._keys.lists):
            entries: list[str] = []
            for entry in self._redis.sscan_iter(self._keys.list + name.decode(), count=LIST_PART):
                entries.append(entry.decode())
                if len(entries) == LIST_PART:
                    yield ListPart(name.decode(), tuple(entries))
                    entries = []
            if entries:
                yield ListPart(name.decode(), tuple(entries))

    def stage(self, staging: str, pages: StatePages, lists: tuple[ListPart, ...]) -> str | None:
        """Stage a part beside the state that counts; '' begins. The number to go on with, None when superseded."""
        if not staging:
            self.sweep()
        for part in lists:  # append-only supersets: they may grow before the state is switched
            self._redis.sadd(self._keys.lists, part.name)
            self._redis.sadd(self._keys.list + part.name, *part.entries)
        number = self._run("stage", staging, pages.text).decode()
        return number or None

    def install(self, staging: str, source: str, end: StateEnd, common_csn: int | None) -> Installed:
        """Switch to the staged state, keep what it does not cover, replay that; see lua/install.lua."""
        text = json.dumps(
            {
                "csn": str(end.csn),
                "last": end.last,
                "clock": f"{end.clock:016d}",
                "birth": end.birth,
                "primary": end.primary,
                "history": end.history,
                "vector": {server: f"{stamp:016d}" for server, stamp in end.vector.items()},
            }
        )
        common = "" if common_csn is None else common_csn
        fresh = self._ids.reserve(self.server) if self._ids else mint(self._label)
        reply = json.loads(self._run("install", staging, source, text, common, fresh))
        if self._ids:
            self._ids.learn(self.server)
        if reply["status"] == "installed":
            self.sweep()
        return Installed(
            status=reply["status"],
            kept=reply.get("kept", 0),
            revoked=tuple(reply.get("revoked", ())),
            lost=tuple(reply.get("lost", ())),
            lost_pages=tuple(reply.get("lost_pages", ())),
        )

    def sweep(self) -> None:
        """Delete committed pages of generations that no longer count."""
        current, staging = self._redis.hmget(self._keys.meta, "generation", "staging")
        counting = {current, staging}
        for name in ("committed_page", "changed"):
            before, _, after = KEYS[name][0].partition("{}")
            head = (self._keys.prefix + before).encode()
            pattern = self._keys.prefix + before + "[0-9]*" + after + ("*" if after else "")
            dead = []
            for key in self._redis.scan_iter(match=pattern, count=1000):
                generation = key[len(head) :].partition(b":")[0]
                if generation.isdigit() and generation not in counting:
                    dead.append(key)
                if len(dead) == LIST_PART:
                    self._redis.unlink(*dead)
                    dead = []
            if dead:
                self._redis.unlink(*dead)


def _end(text: bytes) -> StateEnd:
    members = json.loads(text)
    return StateEnd(
        csn=int(members["csn"]),
        last=members["last"],
        clock=int(members["clock"]),
        birth=members["birth"],
        primary=members["primary"],
        history=members["history"],
        vector={server: int(stamp) for server, stamp in dict(members["vector"]).items()},
    )
