"""GET /replica/diagram: this replica's lane of a space-time diagram. The transactions come from the store. The frames
come from the records that this replica keeps in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import Count, Model
from apps.api.request import Request
from apps.api.schema import ANYTHING, COUNT, FLAG, NUMBER, TEXT, array, nullable, one_of, record
from bayou.application import Change, had_no_effect
from bayou.write import Write
from replica.events.describe import Describer
from replica.events.expand import MADE_AGAIN, Cursor, replay, write_ids
from replica.events.frame_ring import KINDS
from replica.http.parts import Parts
from replica.http.routing import own_endpoint

FRAMES_AT_ONCE = 1000
MARKS_MAX = 20  # of a transaction; the others are counted
PAGES_MAX = 20  # that are named of a write
BEGINNING = "0-0"

WHAT = ("accepted", "received", "rolled_back", "replayed", "committed", "installed", "revoked")
MARK = record(
    what=one_of(*WHAT),
    count=COUNT,
    write=nullable(TEXT),
    csn=nullable(COUNT),
    state=nullable(one_of("tentative", "committed")),
    no_effect=FLAG,
    before=nullable(TEXT),
    outcome=nullable(TEXT),
    result=ANYTHING,
    writes=array({"type": "object"}),
)
TRANSACTION = record(id=TEXT, at=NUMBER, peer=nullable(TEXT), link=nullable(one_of("up", "cut")), marks=array(MARK))
FRAME = record(
    at=NUMBER, session=COUNT, peer=TEXT, way=one_of("sent", "received"), kind=one_of(*KINDS.values()), carries=ANYTHING
)
DIAGRAM = record(
    label=TEXT,
    recording=FLAG,
    transactions=array(TRANSACTION),
    frames=array(FRAME),
    writes={"type": "object"},
    next=record(after=TEXT, after_frame=COUNT),
)


def _stream_id(text: str) -> str:
    return Cursor.parse(text).before_transaction()


class DiagramQuery(Model):
    after: Annotated[str, AfterValidator(_stream_id)] = Field(
        default=BEGINNING, description="The value of `next.after` in the previous answer."
    )
    after_frame: Annotated[Count, Field(description="The value of `next.after_frame` in the previous answer.")] = 0


def endpoint(parts: Parts) -> Endpoint:
    describer = Describer(parts.applications)

    def show_diagram(request: Request[DiagramQuery, None]) -> Answer:
        """List this replica's data for a space-time diagram: its transactions, and the recorded frames of its sessions.
        To get later data, send the values of `next` in another request."""
        after, after_frame = request.query.after, request.query.after_frame
        # The frames first: what a frame did here is then among the transactions, or comes with the next answer.
        frames = parts.frames.after(after_frame, FRAMES_AT_ONCE)
        entries = parts.feed.entries(after)
        writes = parts.store.writes(write_ids(entries))
        marks = _Marks(writes, describer)
        return {
            "label": parts.label,
            "recording": parts.frames.is_recording,
            "transactions": [shown for key, entry in entries if (shown := _transaction(key, entry, marks))],
            "frames": frames,
            "writes": {key: _write(write) for key, write in writes.items()},
            "next": {
                "after": entries[-1][0] if entries else after,
                "after_frame": frames[-1]["at"] if frames else after_frame,
            },
        }

    return own_endpoint("GET", "/replica/diagram", show_diagram, {200: DIAGRAM}, for_cluster_pages=True)


def _transaction(key: str, entry: Mapping[str, Any], marks: _Marks) -> dict[str, Any] | None:
    """Return a transaction as the schema TRANSACTION describes it. Return None if a diagram does not show the
    transaction."""
    link = ("up" if entry["up"] else "cut") if entry["kind"] == "link" else None
    found = [*marks.of(entry)]
    if not found and link is None:
        return None
    shown = {"id": key, "at": Cursor.parse(key).moment_ms * 1000, "link": link, "marks": found}
    return shown | {"peer": entry.get("from") or entry.get("peer") or None}


class _Marks:
    """Makes the marks that a diagram shows for a transaction."""

    def __init__(self, writes: Mapping[str, Write], describer: Describer) -> None:
        self._writes = writes
        self._describer = describer

    def of(self, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the marks of a transaction in the order in which the engine works. The engine first rolls writes back,
        then plays new and committed writes, and then replays writes.

        Each of the first MARKS_MAX new or committed writes has its own mark. One more mark counts the other new or
        committed writes.

        Each of the first MARKS_MAX replayed writes whose outcome changed has its own mark. One more mark counts the
        other replayed writes.

        Two marks list writes, in the form of the event `replay`. The mark `rolled_back` lists the writes that were
        undone, then the writes that were played again. The mark that counts the other replayed writes lists replayed
        writes that have no mark of their own. In all other marks, `writes` is empty.
        """
        if entry["kind"] == "revoked":
            yield _mark("installed", 1)
        if revoked := [*entry.get("revoked", ()), *entry.get("lost", ())]:
            yield _mark("revoked", len(revoked))
        if "changes" not in entry:  # the report of a session counts what its transactions have undone
            return
        changes = entry["changes"]
        steps = replay(entry, self._writes, self._describer)
        if entry["rolled_back"]:
            yield _mark("rolled_back", entry["rolled_back"]) | {"writes": steps["undone"] + steps["played_again"]}
        is_new = "accepted" if entry["kind"] in {"accepted", MADE_AGAIN} else "received"
        new = [change for change in changes if change.was is None or change.csn is not None]
        for change in new[:MARKS_MAX]:
            yield self._of_change(is_new if change.was is None else "committed", change)
        if len(new) > MARKS_MAX:
            yield _mark(is_new, len(new) - MARKS_MAX)
        moved = [change for change in changes if change.was is not None and change.csn is None]
        for change in moved[:MARKS_MAX]:
            yield self._of_change("replayed", change)
        if others := max(entry["replayed"], len(moved)) - len(moved[:MARKS_MAX]):
            marked = {change.write for change in moved[:MARKS_MAX]}
            named = [step for step in steps["played_again"] if step["write"] not in marked]
            yield _mark("replayed", others) | {"writes": named}

    def _of_change(self, what: str, change: Change) -> dict[str, Any]:
        write = self._writes.get(change.write)
        found = _mark(what, 1) | {
            "write": change.write,
            "csn": change.csn,
            "state": "tentative" if change.csn is None else "committed",
            "no_effect": had_no_effect(change.now),
            "before": change.was,
            "outcome": change.now,
        }
        return found if write is None else found | {"result": self._describer.describe(write, change.now).get("result")}


def _mark(what: str, count: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("write", "csn", "state", "before", "outcome", "result"))
    return {"what": what, "count": count, "no_effect": False, **nothing, "writes": []}


def _write(write: Write) -> dict[str, Any]:
    return {
        "stamp": write.id.partition("@")[0],
        "origin": write.origin,
        "user": write.user,
        "request": write.request,
        "app": write.app,
        "op": write.op,
        "check": write.check,
        "merge": write.merge,
        "pages": list(write.pages[:PAGES_MAX]),
    }
