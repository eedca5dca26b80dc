"""The writes that the suite makes: real writes of `records/1` and `members/1`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.writes import canonical, split

ATTRIBUTES = ["topic", "text", "number", "integer", "words", "text"]
DEFINITION = {"attributes": ATTRIBUTES, "key": ["topic", "number"], "page_by": ["topic"]}
CONTENT = json.dumps(DEFINITION, separators=(",", ":"))
HASH = hashlib.sha256(f"notes {CONTENT}".encode()).hexdigest()[:10]
RELATION = f"notes~{HASH}"
DEFINE = {"content": CONTENT, "hash": HASH, "name": "notes"}


class Author:
    """A server that makes writes, one after another. The stamp of a write is the present time plus `ahead_us`, but at
    least the last stamp plus one."""

    def __init__(self, server: str, start: int = 0) -> None:
        self.server = server
        self.stamp = start
        self._numbers = 0

    def define(self) -> wire.Item:
        """Make a write that defines the relation RELATION."""
        return self.write("define", DEFINE, ["relation:notes"], check="name_is_free", merge="keep_beside")

    def note(self, words: str = "", *, check: str = "carried", ahead_us: int = 0) -> wire.Item:
        """Make a write that inserts a record into the relation RELATION."""
        self._numbers += 1
        topic = self.server.partition("~")[0]
        values = {"number": time.time_ns() // 1000, "topic": topic, "words": words}
        args = {
            "digest": f"{self._numbers:06d}",
            "merge": [],
            "relations": {RELATION: DEFINITION},
            "update": [{"op": "insert", "relation": RELATION, "values": values}],
        }
        page = f"records:{RELATION}/{topic}"
        return self.write("write", args, [page], check=check, merge="carried", ahead_us=ahead_us)

    def member(self, op: str, **args: Any) -> wire.Item:
        """Make a membership write."""
        return self.write(op, args, ["members"], app="members/1", user="bayou")

    def write(
        self,
        op: str,
        args: Mapping[str, Any],
        pages: list[str],
        *,
        ahead_us: int = 0,
        **members: str,
    ) -> wire.Item:
        """Make a tentative write, with its body. `members` gives new values for keys of the write's JSON object."""
        prev, self.stamp = self.stamp, max(self.stamp + 1, time.time_ns() // 1000 + ahead_us)
        write = {
            "stamp": f"{self.stamp:016d}",
            "prev": f"{prev:016d}",
            "origin": self.server,
            "accepted_at": "2026-11-29T21:00:00+00:00",
            "app": "records/1",
            "args": args,
            "check": "",
            "merge": "",
            "op": op,
            "pages": pages,
            "request": f"r{self.stamp}",
            "user": "conformance",
        } | members
        return wire.Item(id=f"{self.stamp:016d}@{self.server}", body=canonical(write))


def commit(item: wire.Item, csn: int, *, whole: bool = False) -> wire.Item:
    """Return the commit of a write. The commit has the body of the write if `whole` is True; else it is a
    notification."""
    return wire.Item(id=item.id, csn=csn, body=item.body if whole else b"")


def cover(vector: MutableMapping[str, int], item: wire.Item) -> None:
    """Change a vector so that it covers this write."""
    stamp, origin = split(item.id)
    vector[origin] = max(stamp, vector.get(origin, 0))
