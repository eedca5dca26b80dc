"""The lines of text with which a diagram explains a mark or an arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bayou.application import MEMBERSHIP
from cluster.diagram.layout import Arrow, Mark
from cluster.language.printing import short_time, stamp_text
from cluster.language.world import client_of

SIGNS = {
    "accepted": "+", "received": "↓", "rolled_back": "↶", "replayed": "↷", "committed": "✓", "installed": "⇊",
    "revoked": "✗",
}  # fmt: skip
KINDS = {
    "hello": "hello", "batch": "writes", "state_part": "part of a full state", "state_end": "end of a full state",
    "question": "question about writes", "answer": "answer about writes", "ack": "acknowledgement",
    "holds": "what is held by now", "sync": "question whether everything is sent", "done": "end of the session",
    "refuse": "refusal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """Says everything with the names of a script. `names` maps the label of a server to its name, `labels` the id of a
    server to its label, and `writes` the id of a write to its fields."""

    names: Mapping[str, str]
    labels: Mapping[str, str]
    writes: Mapping[str, Mapping[str, Any]]

    def name(self, label: str) -> str:
        return self.names.get(label, label)

    def caption(self, mark: Mapping[str, Any]) -> tuple[str, str]:
        """Return two short texts for a mark: whose write it is, and the time that a reservation got."""
        write = self.writes.get(mark["write"] or "")
        if write is None:
            return "full state" if mark["what"] == "installed" else f"{mark['count']}×", ""
        result = mark["result"]
        is_slot = isinstance(result, dict) and "start" in result and "end" in result
        return self._who(write), short_time(result) if is_slot else ""

    def numbers(self, mark: Mapping[str, Any]) -> tuple[str, str]:
        """Return the stamp of a mark's write and its CSN, as short as possible."""
        stamp = short_stamp(mark["write"]) if mark["write"] else ""
        return stamp, "" if mark["csn"] is None else f"#{mark['csn']}"

    def of_mark(self, found: Mark) -> str:
        return "\n".join(self._of_mark(found))

    def _of_mark(self, found: Mark) -> Iterator[str]:
        mark, what = found.mark, found.mark["what"].replace("_", " ")
        write = self.writes.get(mark["write"] or "")
        if mark["what"] == "installed":
            yield f"full state installed at {self.name(found.lane)}"
            return
        if mark["write"] is None:
            yield f"{what} at {self.name(found.lane)}: {mark['count']} {_plural('write', mark['count'])}"
            yield from (self.step(step) for step in mark["writes"])
            return
        yield f"{what} at {self.name(found.lane)}: {self._write(mark['write'])}"
        state = "tentative" if mark["csn"] is None else f"committed as number {mark['csn']}"
        yield f"{state}{', without effect' if mark['no_effect'] else ''}"
        yield f"stamp {short_stamp(mark['write'])} of {self._server(mark['write'].partition('@')[2])}: {mark['write']}"
        if write is not None:
            yield f"pages: {', '.join(write['pages'])}"
            yield f"check: {write['check'] or 'none'}; merge procedure: {write['merge'] or 'none'}"
        if mark["before"] not in {None, mark["outcome"]}:
            yield f"outcome before: {mark['before']}"
        yield f"outcome: {mark['outcome']}"

    def step(self, step: Mapping[str, Any]) -> str:
        """Return what a step of a replay did: it undid a write or, if it has an `after`, played it again."""
        write, before = self._write(step["write"]), step["before"]
        if "after" not in step:
            return f"{SIGNS['rolled_back']} {write}: {_result(before)}"
        csn = "" if step["csn"] is None else f", committed as number {step['csn']}"
        after = "as before" if step["after"] == before else f"→ {_result(step['after'], before)}"
        return f"{SIGNS['replayed']} {write}: {_result(before)}{',' if after == 'as before' else ''} {after}{csn}"

    def of_arrow(self, arrow: Arrow) -> str:
        return "\n".join(self._of_arrow(arrow))

    def _of_arrow(self, arrow: Arrow) -> Iterator[str]:
        yield f"{KINDS[arrow.kind]}, from {self.name(arrow.sender)} to {self.name(arrow.receiver)}"
        if arrow.sent is None or arrow.received is None:
            yield "only one end of this frame is recorded"
        carries = arrow.carries
        for write in carries.get("writes", ()):
            csn = "" if write["csn"] is None else f", committed as number {write['csn']}"
            yield f"{self._write(write['write'])}{csn}{'' if write['body'] else ' (a notification without the write)'}"
        if carries.get("count", 0) > len(carries.get("writes", ())):
            yield f"… {carries['count']} writes in all"
        if "csn" in carries:
            yield f"CSN {carries['csn']}"
        if "vector" in carries:
            entries = (f"{self._server(server)} {short_stamp(stamp)}" for server, stamp in carries["vector"].items())
            yield f"V: {', '.join(entries) or 'empty'}"
        known = {"writes", "count", "csn", "vector", "server", "label", "clock"}
        yield from (f"{name.replace('_', ' ')}: {value}" for name, value in carries.items() if name not in known)

    def _write(self, identifier: str) -> str:
        write = self.writes.get(identifier)
        stamp = short_stamp(identifier)
        if write is None:
            return f"the write {stamp}"
        who = self._who(write)
        return f"{write['op']} {stamp}" if who == write["op"] else f"{who}’s {write['op']} {stamp}"

    @staticmethod
    def _who(write: Mapping[str, Any]) -> str:
        """Return whose write it is. For a membership write, return what it does."""
        return str(write["op"]) if write["app"] == MEMBERSHIP else client_of(write["user"])

    def _server(self, server: str) -> str:
        label = self.labels.get(server)
        return server if label is None else self.name(label)


def _result(result: Any, before: Any = None) -> str:
    """Return what a write has: the room and time of a reservation, or what its application says. The room is left out
    if it is the same `before`."""
    if not result:
        return "nothing"
    if "start" not in result:
        return " ".join(map(str, result.values()))
    same_room = before and before.get("room") == result["room"]
    return short_time(result) if same_room else f"{result['room']} {short_time(result)}"


def short_stamp(identifier: str) -> str:
    """Return a stamp as seconds since the beginning of the script, in which each line takes one second."""
    return stamp_text(identifier.partition("@")[0])


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
