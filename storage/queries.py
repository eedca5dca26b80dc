"""What people and their screens read of a store: the log, digests, the links, and the stream of events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bayou.application import Change, History, Sighting, Turn
from bayou.errors import Away
from bayou.stamps import split_id
from bayou.state import Vector
from bayou.write import Write
from storage.keys import Namespace
from storage.script_runner import Scripted, numbers, page_views, strings
from storage.scripts import EVENTS_MAX

DIGEST_TRIES = 50
TURNS_READ = 1000  # events read at a time
SIGHTINGS_BEGIN_S = 1_577_836_800  # 2020: numbers are seconds since then, and so stay below 2^31 until 2088


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A write of the log, with its CSN when it is committed and the outcome of its latest play."""

    write: Write
    csn: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 over all pages of each view; equal on replicas with the same vector and CSN (invariant 3)."""

    committed: str
    tentative: str
    csn: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class Vitals:
    """Stamp of the oldest tentative write (None: there is none), and the memory that Redis uses."""

    oldest_tentative_us: int | None
    memory_bytes: int


class Gap(Exception):
    """The events asked for are no longer kept."""


class Screens(Scripted):
    """The part of the store that screens use."""

    def log(self, after: str | None, count_max: int) -> list[LogEntry] | None:
        """Writes behind `after` (None: from the oldest) in the order of the log; None when `after` is not in it."""
        flat = self._run("read_log", after or "", count_max)
        if flat is None:
            return None
        return [
            LogEntry(Write.of_log(flat[i + 3]), int(flat[i + 1]) if flat[i + 1] else None, flat[i + 2].decode())
            for i in range(0, len(flat), 4)
        ]

    def writes(self, ids: Sequence[str]) -> dict[str, Write]:
        """The writes of the log with these ids, as far as they are there."""
        bodies = self._redis.hmget(self._keys.writes, list(ids)) if ids else []
        return {key: Write.of_log(body) for key, body in zip(ids, bodies, strict=True) if body}

    def digest(self) -> Digest:
        """Digests of all pages of one moment; reads again while writes come in, Away when they do not pause."""
        for _ in range(DIGEST_TRIES):
            before = self._moment()
            csn, generation, vector = before
            committed = self._all_pages(Namespace(self._label, generation).committed_page)
            copies = self._all_pages(self._keys.tentative_page)
            # A copy without a field is no key in Redis; its page is empty all the same.
            tentative = committed | {page: copies.get(page, {}) for page in self._names(self._keys.index)}
            if self._moment() == before:
                return Digest(_digest(committed), _digest(tentative), csn, vector)
        raise Away("busy", "Writes keep coming in, so there is no digest of one moment. Try again.", retry_after_s=1)

    def cut_links(self) -> set[str]:
        """Labels of the peers whose link is cut here."""
        return {label.decode() for label in self._redis.smembers(self._keys.cut)}

    def set_link(self, peer: str, *, up: bool) -> None:
        """Cut or heal the link to a peer, for good until it is changed again."""
        with self._redis.pipeline(transaction=True) as transaction:
            (transaction.srem if up else transaction.sadd)(self._keys.cut, peer)
            self._tell(transaction, "link", {"peer": peer, "up": up})
            transaction.execute()

    def tell_session(self, report: Mapping[str, Any]) -> None:
        """Put the report of a session into the events."""
        self._tell(self._redis, "session", report)

    def events(self, after: str, block_ms: int, count_max: int, client: Any) -> list[tuple[str, dict[str, Any]]]:
        """Transactions behind the event id `after`, oldest first; waits up to `block_ms` for one. Gap when trimmed."""
        oldest = self._redis.xrange(self._keys.events, count=1)
        if after != "0-0" and oldest and _event_order(after) < _event_order(oldest[0][0].decode()):
            raise Gap
        found = client.xread({self._keys.events: after}, count=count_max, block=block_ms)
        streams: Iterable[Any] = found.values() if isinstance(found, dict) else (stream[1] for stream in found or ())
        return [(key.decode(), _event(fields)) for entries in streams for key, fields in entries]

    def vitals(self) -> Vitals:
        oldest = self._redis.zrange(self._keys.tentative, 0, 0)
        memory = self._redis.info("memory").get("used_memory", 0)
        return Vitals(split_id(oldest[0].decode())[0] if oldest else None, memory)

    def sightings(self, name: str, shown: Mapping[str, tuple[str, int]], now_s: int) -> dict[str, Sighting]:
        """Note what is shown under a name now (thing -> text, and until when it is kept once it is gone, in seconds
        since 1970); returns all that is noted. A thing's number grows with each change that is seen, and never falls.
        """
        flat = [part for thing, (text, keep_until_s) in shown.items() for part in (thing, text, keep_until_s)]
        found = self._run("revise_feed", name, now_s, max(now_s - SIGHTINGS_BEGIN_S, 0), *flat)
        rows = (found[i : i + 5] for i in range(0, len(found), 5))
        return {
            thing.decode(): Sighting(int(number), int(at), here == b"1", text.decode())
            for thing, number, at, here, text in rows
        }

    def turns(self, ids: Collection[str]) -> tuple[list[Turn], datetime | None]:
        """How these writes came to other outcomes, oldest first, and since when events are kept; one pass over them."""
        wanted, found, upto = [one.encode() for one in ids], [], "+"
        while entries := self._redis.xrevrange(self._keys.events, max=upto, count=TURNS_READ):
            for key, fields in entries:
                if any(one in fields[b"body"] for one in wanted):
                    found += _turns(_moment_of(key), _event(fields).get("changes", ()), set(ids))
            upto = f"({entries[-1][0].decode()}"
        oldest = self._redis.xrange(self._keys.events, count=1)
        return found[::-1], _moment_of(oldest[0][0]) if oldest else None

    def history(self, page: str) -> History:
        """The notes on a page and the tentative writes that declare it, of one moment."""
        committed, *flat = self._run("read_history", page)
        notes = page_views(strings(committed), None).notes
        tentative = [(Write.of_log(flat[i + 1]), flat[i].decode()) for i in range(0, len(flat), 2)]
        return History(notes, tuple(tentative))

    def last_event(self) -> str:
        """The id of the newest event, `0-0` when there is none."""
        newest = self._redis.xrevrange(self._keys.events, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _tell(self, target: Any, kind: str, members: Mapping[str, Any]) -> None:
        fields = {"kind": kind, "body": json.dumps(members)}
        target.xadd(self._keys.events, fields, maxlen=EVENTS_MAX, approximate=True)

    def _moment(self) -> tuple[int, str, dict[str, int]]:
        """CSN, generation and V: while they stay, no page has changed."""
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.hmget(self._keys.meta, "csn", "generation")
            transaction.hgetall(self._keys.vector)
            (csn, generation), vector = transaction.execute()
        return int(csn), generation.decode(), numbers([part for pair in vector.items() for part in pair])

    def _all_pages(self, family: str) -> dict[str, Mapping[str, str]]:
        pages: dict[str, Mapping[str, str]] = {}
        for page in self._names(family):
            fields = self._redis.hgetall(family + page)
            pages[page] = {field.decode(): value.decode() for field, value in fields.items()}
        return pages

    def _names(self, family: str) -> list[str]:
        pattern = family.replace("[", "\\[") + "*"
        return [key.decode()[len(family) :] for key in self._redis.scan_iter(match=pattern, count=1000)]


def _digest(pages: Mapping[str, Mapping[str, str]]) -> str:
    content = sorted((page, sorted(fields.items())) for page, fields in pages.items() if fields)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _event(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    event = {"kind": fields[b"kind"].decode(), **json.loads(fields[b"body"])}
    if "changes" in event:
        event["changes"] = _changes(event["changes"])
    return event


def _changes(flat: Sequence[Any]) -> list[Change]:
    return [
        Change(flat[i], int(flat[i + 1]) if flat[i + 1] else None, flat[i + 2] or None, flat[i + 3], flat[i + 4])
        for i in range(0, len(flat), 5)
    ]


def _turns(at: datetime, changes: Sequence[Change], ids: Collection[str]) -> list[Turn]:
    outcomes = {change.write: change.now for change in changes}
    return [
        Turn(at, one.write, one.was, one.now, {name: now for name, now in outcomes.items() if name != one.write})
        for one in changes
        if one.write in ids and one.was is not None and one.was != one.now
    ]


def _moment_of(event: bytes) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=_event_order(event.decode())[0])


def _event_order(identifier: str) -> tuple[int, int]:
    moment, _, number = identifier.partition("-")
    return int(moment), int(number)
