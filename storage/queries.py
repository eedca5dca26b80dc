"""The parts of a store that people and operators use: the log, digests, links, the pace of sessions and commits, the
event stream, and the revisions of feeds.

This module never changes the log or a page. Links, events and feed revisions belong to this replica alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bayou.application import Change, FeedRevision, History, LogEntry, OutcomeChange, Undone
from bayou.errors import Away, Unknown
from bayou.stamps import split_id
from bayou.state import Vector
from bayou.vectors import complete
from bayou.write import Write
from storage.keys import Namespace
from storage.script_runner import ScriptRunner, page_views, rows, text_map
from storage.scripts import EVENTS_MAX

DIGEST_TRIES = 50
PAGES_AT_ONCE = 200  # that a digest reads
NEWEST_MAX = 200  # writes that `newest_writes` returns
OUTCOMES_READ = 20_000  # outcomes that it looks at if it is given words
WRITES_READ = 5000  # writes that it looks at otherwise, since these take longer to read
EVENTS_READ = 1000  # at a time, by `outcome_changes`
Pace = Literal["auto", "manual"]
REVISIONS_BEGIN_S = 1_577_836_800  # 2020: revision numbers are seconds since then, and stay below 2^31 until 2088


@dataclass(frozen=True, slots=True)
class Digest:
    """The SHA-256 over all pages of each view. Replicas with the same vector and CSN have the same digests (invariant 3
    in docs/design.md)."""

    committed: str
    tentative: str
    csn: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class Vitals:
    """Two values for the metrics of a replica. `oldest_tentative_us` is the stamp of the oldest tentative write, or
    None if no write is tentative. `memory_bytes` is the memory that Redis uses."""

    oldest_tentative_us: int | None
    memory_bytes: int


class Gap(Exception):
    """Some of the requested events are no longer kept."""


class Queries(ScriptRunner):
    """The part of a store that shows its content to people and operators."""

    _pace: Pace = "auto"

    @property
    def label(self) -> str:
        return self._label

    def server(self) -> str | None:
        """Return the server id of the namespace; None if there is no namespace. Atomic."""
        found = self._redis.hget(self._keys.meta, "id")
        return found.decode() if found else None

    def log(self, after: str | None, count_max: int) -> list[LogEntry] | None:
        """Return up to `count_max` writes in the order of the log, beginning after the write `after`. If `after` is
        None, begin with the oldest write. Atomic.

        Returns None if the log does not have the write `after`.
        """
        flat = self.run("read_log", after or "", count_max)
        if flat is None:
            return None
        return [
            LogEntry(Write.of_log(body), int(csn) if csn else None, outcome.decode())
            for _, csn, outcome, body in rows(flat, 4)
        ]

    def writes(self, ids: Sequence[str]) -> dict[str, Write]:
        """Return the writes with these ids. Ids that are not in the log are left out. Atomic."""
        bodies = self._redis.hmget(self._keys.writes, list(ids)) if ids else []
        return {key: Write.of_log(body) for key, body in zip(ids, bodies, strict=True) if body}

    def history(self, page: str) -> History:
        """Return the history of a page: the notes that commits left on the page, and the tentative writes that declare
        the page. Atomic."""
        committed, *flat = self.run("read_history", page)
        notes = page_views(text_map(committed), None).notes
        return History(notes, tuple((Write.of_log(body), outcome.decode()) for outcome, body in rows(flat, 2)))

    def log_entry(self, identifier: str) -> LogEntry:
        """Return the write with this id. Atomic.

        Raises Unknown `write_dropped` if the write was committed and then dropped from the log. Raises Unknown
        `write_unknown` if this replica does not hold the write.
        """
        stamp, server = split_id(identifier)
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.hget(self._keys.writes, identifier)
            transaction.hget(self._keys.outcomes, identifier)
            transaction.zscore(self._keys.committed, identifier)
            transaction.hgetall(self._keys.omitted_vector)
            transaction.smembers(self._keys.retired)
            body, outcome, csn, omitted, retired = transaction.execute()
        if body:
            return LogEntry(Write.of_log(body), None if csn is None else int(csn), outcome.decode())
        dropped = {origin.decode(): int(last) for origin, last in omitted.items()}
        if complete(dropped, {one.decode() for one in retired}, server) >= stamp:
            message = (
                f"The log of this replica no longer holds the write {identifier}. The write was committed, so its"
                " outcome is final. Later the write was dropped from the log."
            )
            raise Unknown("write_dropped", message, write=identifier)
        message = (
            f"This replica does not hold the write {identifier}. Check the id. If another replica accepted the write,"
            " try again later: writes need some time to arrive."
        )
        raise Unknown("write_unknown", message, write=identifier)

    def newest_writes(
        self, app: str, *, user: str = "", request: str = "", words: Sequence[str] = ()
    ) -> list[LogEntry]:
        """Return the newest writes of an application, at most NEWEST_MAX. Atomic.

        With `user`, return only writes of this user. With `request`, return only writes with this request id. With
        `words`, return only writes whose outcome contains one of these words, such as `rejected`.

        Tentative writes come first, then the committed writes that the log still holds. In each of the two groups, the
        newest write comes first. Without `words`, the method searches only the newest WRITES_READ writes of the log.
        With `words`, it searches the newest OUTCOMES_READ writes.
        """
        flat = self.run("read_newest", app, user, request, NEWEST_MAX, OUTCOMES_READ if words else WRITES_READ, *words)
        return [
            LogEntry(Write.of_log(flat[i + 2]), int(flat[i]) if flat[i] else None, flat[i + 1].decode())
            for i in range(0, len(flat), 3)
        ]

    def moment(self) -> tuple[int, str, dict[str, int]]:
        """Return the CSN of the newest commit, the generation, and the vector of all writes. The generation is the
        number of the current committed pages (storage/keys.py). The vector covers committed and tentative writes.

        If a later call returns the same three values, no page has changed in between.
        """
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.hmget(self._keys.meta, "csn", "generation")
            transaction.hgetall(self._keys.vector)
            (csn, generation), vector = transaction.execute()
        return int(csn), generation.decode(), {server.decode(): int(stamp) for server, stamp in vector.items()}

    def digest(self) -> Digest:
        """Return the digests of all pages as they were at one moment.

        This method reads the pages in parts, and starts again if anything has changed meanwhile. Raises Away if pages
        keep changing.
        """
        for _ in range(DIGEST_TRIES):
            before = self.moment()
            csn, generation, vector = before
            family, indexed = Namespace(self._label, generation).committed_page, self._names(self._keys.index)
            committed, tentative = _Hash(), _Hash()
            for page, fields, copy in self._pages(family, indexed, sorted(self._names(family) | indexed)):
                committed.add(page, fields)
                # A tentative copy without fields has no key in Redis, but its page is empty all the same.
                tentative.add(page, copy if page in indexed else fields)
            if self.moment() == before:
                return Digest(committed.text(), tentative.text(), csn, vector)
        raise Away(
            "busy",
            "The pages changed while the replica computed their digest, so there is no digest. Try again.",
            retry_after_s=1,
        )

    def vitals(self) -> Vitals:
        """Return two values for the metrics. The values are read one after the other, so they may come from different
        moments."""
        oldest = self._redis.zrange(self._keys.tentative, 0, 0)
        memory = self._redis.info("memory").get("used_memory", 0)
        return Vitals(split_id(oldest[0].decode())[0] if oldest else None, memory)

    # Links.

    def cut_links(self) -> set[str]:
        """Return the labels of the peers whose link is cut here."""
        return {label.decode() for label in self._redis.smembers(self._keys.cut)}

    def set_link(self, peer: str, *, up: bool) -> None:
        """Atomically cut or heal the link to a peer, and add an event. The link stays cut or healed until the next
        call, even after a restart."""
        with self._redis.pipeline(transaction=True) as transaction:
            (transaction.srem if up else transaction.sadd)(self._keys.cut, peer)
            self._add_event(transaction, "link", {"peer": peer, "up": up})
            transaction.execute()

    # Pace.

    @property
    def pace(self) -> Pace:
        """The pace of sessions and commits. With `auto`, sessions and commits run by themselves. With `manual`, a
        session or commit runs only when somebody asks for it."""
        return self._pace

    def set_pace(self, pace: Pace) -> None:
        """Atomically change the pace, and add an event. The pace stays until the next call, even after a restart."""
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.hset(self._keys.meta, "pace", pace)
            self._add_event(transaction, "pace", {"pace": pace})
            transaction.execute()
        self._pace = pace

    def _load_pace(self) -> None:
        self._pace = "manual" if self._redis.hget(self._keys.meta, "pace") == b"manual" else "auto"

    # Events. Scripts add one for each transaction that changes something; about the newest EVENTS_MAX are kept.

    def add_session_event(self, report: Mapping[str, Any]) -> None:
        """Add the report of an anti-entropy session to the events."""
        self._add_event(self._redis, "session", report)

    def events(self, after: str, block_ms: int | None, count_max: int, client: Any) -> list[tuple[str, dict[str, Any]]]:
        """Return up to `count_max` pairs (id, event) after the event id `after`, oldest first. Raises Gap if some
        events after `after` are no longer kept.

        If there is no event after `after` yet, the method waits for one, for up to `block_ms`. If `block_ms` is None,
        the method does not wait. It uses the Redis client `client` to wait. The timeout of this client must be longer
        than `block_ms`.
        """
        oldest = self._redis.xrange(self._keys.events, count=1)
        if after != "0-0" and oldest and _event_order(after) < _event_order(oldest[0][0].decode()):
            raise Gap
        found = client.xread({self._keys.events: after}, count=count_max, block=block_ms)
        streams: Iterable[Any] = found.values() if isinstance(found, dict) else (stream[1] for stream in found or ())
        return [(key.decode(), _event(fields)) for entries in streams for key, fields in entries]

    def last_event(self) -> str:
        """Return the id of the newest event; `0-0` if there is none."""
        newest = self._redis.xrevrange(self._keys.events, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:
        """Return how the outcomes of these writes changed, oldest change first. Also return the time of the oldest
        event that is kept; None if no event is kept.

        The method reads all events, so it takes long if there are many.
        """
        wanted, found, upto = [one.encode() for one in ids], [], "+"
        while entries := self._redis.xrevrange(self._keys.events, max=upto, count=EVENTS_READ):
            for key, fields in entries:
                if any(one in fields[b"body"] for one in wanted):
                    found += _outcome_changes(_time_of(key), _event(fields).get("changes", ()), set(ids))
            upto = f"({entries[-1][0].decode()}"
        oldest = self._redis.xrange(self._keys.events, count=1)
        return found[::-1], _time_of(oldest[0][0]) if oldest else None

    # Feeds.

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]], now_s: int) -> dict[str, FeedRevision]:
        """Record which things, such as reservations, the feed `name` shows now. Return the revision of each recorded
        thing, including things that the feed no longer shows. Atomic.

        `shown` maps each thing to a pair (text, time). The text is what the feed shows of the thing, and has no tabs.
        The time is in seconds since 1970. If the feed stops showing the thing before this time, the revision is kept
        until this time. The revision number of a thing grows with each recorded change, and never falls.
        """
        flat = [part for thing, (text, keep_until_s) in shown.items() for part in (thing, text, keep_until_s)]
        found = self.run("revise_feed", name, now_s, max(now_s - REVISIONS_BEGIN_S, 0), *flat)
        return {
            thing.decode(): FeedRevision(int(number), int(at), here == b"1", text.decode())
            for thing, number, at, here, text in rows(found, 5)
        }

    def _add_event(self, target: Any, kind: str, members: Mapping[str, Any]) -> None:
        fields = {"kind": kind, "body": json.dumps(members)}
        target.xadd(self._keys.events, fields, maxlen=EVENTS_MAX, approximate=True)

    def _pages(
        self, family: str, indexed: Collection[str], names: Sequence[str]
    ) -> Iterator[tuple[str, dict[bytes, bytes], dict[bytes, bytes]]]:
        """Yield (page, committed fields, tentative fields) for each page in `names`. Only the pages in `indexed` have a
        tentative copy; for every other page, the tentative fields are empty. `family` is the beginning of the keys of
        committed pages."""
        for start in range(0, len(names), PAGES_AT_ONCE):
            part = names[start : start + PAGES_AT_ONCE]
            copied = [page for page in part if page in indexed]
            with self._redis.pipeline(transaction=False) as pipeline:
                for page in part:
                    pipeline.hgetall(family + page)
                for page in copied:
                    pipeline.hgetall(self._keys.tentative_page + page)
                found = pipeline.execute()
            copies = dict(zip(copied, found[len(part) :], strict=True))
            for page, fields in zip(part, found, strict=False):
                yield page, fields, copies.get(page, {})

    def _names(self, family: str) -> set[str]:
        pattern = family.replace("[", "\\[") + "*"
        return {key.decode()[len(family) :] for key in self._redis.scan_iter(match=pattern, count=1000)}


class _Hash:
    """Computes the SHA-256 over pages. The caller adds the pages in the order of their names. Empty pages do not count.
    The pages are not kept, because a replica may hold millions.

    The hash is over the JSON text [[page, [[field, value], ...]], ...].
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"[")
        self._separator = b""

    def add(self, page: str, fields: Mapping[bytes, bytes]) -> None:
        if fields:
            content = page, sorted((field.decode(), value.decode()) for field, value in fields.items())
            self._hash.update(self._separator + json.dumps(content).encode())
            self._separator = b", "

    def text(self) -> str:
        """Return the digest. Call this method once, after the last page was added."""
        self._hash.update(b"]")
        return self._hash.hexdigest()


def _event(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    event = {"kind": fields[b"kind"].decode(), **json.loads(fields[b"body"])}
    if "changes" in event:
        event["changes"] = [
            Change(write, int(csn) if csn else None, was or None, now, is_membership)
            for write, csn, was, now, is_membership in rows(event["changes"], 5)
        ]
    if "undone" in event:
        event["undone"] = [
            Undone(write, int(csn) if csn else None, was, now or None)
            for write, csn, was, now in rows(event["undone"], 4)
        ]
    return event


def _outcome_changes(at: datetime, changes: Sequence[Change], ids: Collection[str]) -> list[OutcomeChange]:
    outcomes = {change.write: change.now for change in changes}
    return [
        OutcomeChange(
            at, one.write, one.was, one.now, {name: now for name, now in outcomes.items() if name != one.write}
        )
        for one in changes
        if one.write in ids and one.was is not None and one.was != one.now
    ]


def _time_of(event_id: bytes) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=_event_order(event_id.decode())[0])


def _event_order(event_id: str) -> tuple[int, int]:
    time_ms, _, number = event_id.partition("-")
    return int(time_ms), int(number)
