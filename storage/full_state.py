"""Transfers full states. One replica reads its state in parts. The other replica stages the parts and installs the
state (Petersen 1997, 4.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import Protocol

from redis import Redis

from bayou.application import LuaApplication
from bayou.frames import Answer, Question
from bayou.payloads import (
    Compared,
    Installed,
    ListPart,
    LoggedCommit,
    StateEnd,
    StatePages,
    StatePart,
    StateSize,
    Succession,
)
from bayou.stamps import STAMP_MAX, stamp_text
from bayou.state import Vector
from storage.identity_file import mint
from storage.keys import KEYS
from storage.log_digests import LogDigests
from storage.script_runner import vector_texts
from storage.seals import SealStore, succession_texts

PART_ENTRIES = 1000  # of lists in one part, and of one SSCAN, about; and keys that one UNLINK deletes
PART_LISTS = 500  # with entries in one part
LISTS_AT_ONCE = 20  # that are read in one trip
KEEP_COMMITS = 10_000


@dataclass(frozen=True, slots=True)
class Keep:
    """Says which commits of the log a full state includes. It includes at least the newest `count` commits. It includes
    more if older commits have a stamp of `since_us()` or later (lua/engine/newest.lua)."""

    count: int = KEEP_COMMITS
    since_us: Callable[[], int] = lambda: STAMP_MAX


KEEP = Keep()


class Ids(Protocol):
    """Records the ids of this replica outside its namespace, so that they survive the loss of the namespace. `server`
    is a function that reads the namespace's present id."""

    def reserve(self, server: Callable[[], str | None]) -> str:
        """Return a new server id that the namespace may take. The id is recorded before this method returns."""

    def learn(self, server: Callable[[], str | None]) -> object:
        """Read the namespace's present id and record it. Call this method after a full state was installed."""


class FullStateStore(SealStore):
    """The part of a store that reads and installs full states. `keep` says which commits a full state includes. If
    `ids` is None, new ids are recorded in the namespace only."""

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        *,
        ids: Ids | None,
        keep: Keep,
        emptied: Callable[[], object],
    ) -> None:
        super().__init__(client, label, applications, emptied)
        self._ids = ids
        self._keep = keep
        self._digests = LogDigests(partial(self.run, "read_ids"))

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart:
        """Return one part of the full state: committed pages after the cursor `after`, which is (CSN, page). Pages are
        ordered by the CSN of the commit that changed them last.

        Atomic. The part ends after `count_max` pages, or with the page that reaches `bytes_max`. Call this method first
        with the cursor (0, ""), then with the cursor of the previous part, until a part has an `end`.
        """
        bounds = count_max, bytes_max, self._keep.count, self._keep.since_us()
        end, generation, count, text, csn, name = self.run("read_state_part", *after, *bounds)
        cursor = int(csn), name.decode()
        return StatePart(
            StatePages(count, text), cursor, self._end(end, generation.decode()) if end else None, generation.decode()
        )

    def _end(self, text: bytes, generation: str) -> StateEnd:
        end = _decode_end(text)
        return replace(end, digest=self._digests.at(end.csn - end.commits, generation))

    def state_size(self) -> StateSize:
        """Return how large the full state is. The cost does not depend on the number of pages."""
        return StateSize(*self.run("read_size", self._keep.count, self._keep.since_us()))

    def commits_part(
        self, generation: str, after_csn: int, end: StateEnd, count_max: int, bytes_max: int
    ) -> tuple[LoggedCommit, ...]:
        """Return the next commits that come with the full state, in CSN order. The first is the commit after
        `after_csn`. `generation` and `end` come from `state_part`. The part ends after `count_max` commits, or with the
        commit that reaches `bytes_max`.

        Returns no commits if the log no longer holds the first commit of the part. Also returns none if this replica
        has installed another full state meanwhile.
        """
        flat = self.run("read_commits", generation, after_csn, end.csn, count_max, bytes_max)
        found = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return tuple(
            LoggedCommit(identifier.decode(), csn, body, outcome.decode())
            for csn, (identifier, body, outcome) in enumerate(found, after_csn + 1)
        )

    def list_parts(self) -> Iterator[tuple[ListPart, ...]]:
        """Yield the entries of all lists, in parts of at most 1,000 entries and 500 lists. Not atomic: entries that are
        added during the reading may be missing."""
        parts, count = list[ListPart](), 0
        for name, entries in self._list_entries():
            left = iter(entries)
            while some := tuple(islice(left, PART_ENTRIES)):
                if count + len(some) > PART_ENTRIES or len(parts) == PART_LISTS:
                    yield tuple(parts)
                    parts, count = [], 0
                parts.append(ListPart(name, some))
                count += len(some)
        if parts:
            yield tuple(parts)

    def _list_entries(self) -> Iterator[tuple[str, list[str]]]:
        """Yield pairs (name of a list, some of its entries). Most lists are short, so one round trip reads many
        lists."""
        names = iter([name.decode() for name in self._redis.smembers(self._keys.lists)])
        unread = [(name, 0) for name in islice(names, LISTS_AT_ONCE)]
        while unread:
            with self._redis.pipeline(transaction=False) as pipeline:
                for name, cursor in unread:
                    pipeline.sscan(self._keys.list + name, cursor, count=PART_ENTRIES)
                scanned = list(zip(unread, pipeline.execute(), strict=True))
            for (name, _), (_, entries) in scanned:
                yield name, [entry.decode() for entry in entries]
            unread = [(name, cursor) for (name, _), (cursor, _) in scanned if cursor]
            unread += [(name, 0) for name in islice(names, LISTS_AT_ONCE - len(unread))]

    def stage(
        self, staging: str, pages: StatePages, lists: tuple[ListPart, ...], commits: tuple[LoggedCommit, ...] = ()
    ) -> str | None:
        """Store a part of a full state under keys that no reader uses yet. For the first part, `staging` is empty. For
        each later part, `staging` is the value that the previous call returned.

        The list entries are stored first, one list at a time. Lists only grow, so these entries do no harm if the state
        is never installed. Then the pages and the commits of the part are stored atomically.

        Returns None if another staging has begun meanwhile. Then the pages and the commits are not stored.
        """
        if not staging:
            self.sweep()
        if lists:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.sadd(self._keys.lists, *(part.name for part in lists))
                for part in lists:
                    pipeline.sadd(self._keys.list + part.name, *part.entries)
                pipeline.execute()
        flat = [text for one in commits for text in (one.id, str(one.csn), one.body.decode(), one.outcome)]
        number = self.run("stage", staging, pages.text, json.dumps(flat)).decode()
        return number or None

    def uncommon_ids(self, common_csn: int) -> list[str]:
        """Return the ids of the tentative writes, and of the commits after `common_csn`."""
        return [identifier.decode() for identifier in self.run("uncommon", common_csn)]

    def answer(self, question: Question) -> Answer:
        """Answer the question of another replica about the log of this replica."""
        csns, ids = json.dumps(list(question.csns)), json.dumps(list(question.ids))
        found = self.run("compare", csns, ids)
        commits, lacking, unknown = (tuple(identifier.decode() for identifier in each) for each in found)
        digests = tuple(
            self.log_digest(csn) if known else "" for csn, known in zip(question.csns, commits, strict=True)
        )
        return Answer(commits, lacking, unknown, digests)

    def log_digest(self, csn: int) -> str:
        """Return the digest of the log up to this CSN, or '' if the digest is not known. See storage/log_digests.py."""
        return self._digests.at(csn)

    def install(
        self,
        staging: str,
        source: str,
        end: StateEnd,
        compared: Compared,
        successions: Sequence[Succession] = (),
        omitted: Vector | None = None,
    ) -> Installed:
        """Atomically replace the committed state and the log with the staged state and log. Replay the writes of this
        replica that the staged state does not cover.

        `source` is the label of the sender. `successions` are the successions that the sender sent. The newest
        commits may come with the state. Then `omitted` is the vector of the commits before these newest ones. Otherwise
        `omitted` is None.

        The commits of this replica after `compared.common_csn` are revoked. Writes that have no place in the new order
        are set aside. A write without a place is lost instead if it creates or retires a server, or names a primary.

        With one of these statuses, nothing has changed:

        superseded      Another staging has begun, or this replica holds a write about which it did not ask the sender.
        stale           The staged state is not newer than the state of this replica.
        foreign_commit  This replica is the primary, but another server made the commits of the staged state.

        In two cases, this replica changes to a new id, which its `ids` has reserved. The first case: not all writes
        that the replica made under the present id are kept. The second case: the new state has writes under the present
        id that the replica did not hold.
        """
        common = "" if compared.common_csn is None else compared.common_csn
        proofs = map(json.dumps, succession_texts(successions))
        fresh = self._ids.reserve(self.server) if self._ids else mint(self._label)
        asked = "" if compared.asked is None else json.dumps(compared.asked)
        questions, birth = (json.dumps(compared.lacking), asked), "other" if compared.takes_birth else ""
        before = json.dumps(vector_texts(end.vector if omitted is None else omitted))
        arguments = staging, source, _encode_end(end), common, fresh, *questions, birth, *proofs, before
        reply = json.loads(self.run("install", *arguments))
        if self._ids:
            self._ids.learn(self.server)
        if reply["status"] == "installed":
            self._acknowledged.forget_commits()
            self.sweep()
        lists = {name: tuple(reply.get(name, ())) for name in ("revoked", "set_aside", "lost", "lost_pages")}
        return Installed(reply["status"], reply.get("kept", 0), **lists)

    def sweep(self) -> None:
        """Delete the committed pages of generations that are no longer used. Not atomic, but safe at any time."""
        used = set(self._redis.hmget(self._keys.meta, "generation", "staging"))
        for name in ("committed_page", "changed"):
            before, _, after = KEYS[name][0].partition("{}")
            head = (self._keys.prefix + before).encode()
            pattern = self._keys.prefix + before + "[0-9]*" + after + ("*" if after else "")
            keys = ((key, key[len(head) :].partition(b":")[0]) for key in self._redis.scan_iter(pattern, count=1000))
            dead = (key for key, generation in keys if generation.isdigit() and generation not in used)
            while part := list(islice(dead, PART_ENTRIES)):
                self._redis.unlink(*part)


def _encode_end(end: StateEnd) -> str:
    texts = {
        "csn": str(end.csn),
        "commits": str(end.commits),
        "clock": stamp_text(end.clock),
        "vector": vector_texts(end.vector),
    }
    return json.dumps(asdict(end) | texts)


def _decode_end(text: bytes) -> StateEnd:
    found = json.loads(text)
    vector = {server: int(stamp) for server, stamp in dict(found["vector"]).items()}
    numbers = {name: int(found[name]) for name in ("csn", "clock", "commits")}
    return StateEnd(**found | numbers | {"vector": vector, "recent": tuple(found["recent"].split())})
