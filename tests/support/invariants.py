"""Check the invariants of docs/design.md on the replicas of a test. The methods have the numbers of the invariants.

Invariants 8 and 13 are checked for the toy application (tests/support/toy.lua), which has slots instead of rooms.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bayou.application import LogEntry
from bayou.payloads import Item, Selection
from bayou.state import covers
from tests.support.engine_harness import Cluster, Replica

APART = ("apps", "meta", "clock", "events", "cut", "changed", "primaries", "primary_seals", "seals")
# keys that may differ between replicas of the same log


class Checker:
    """Asserts the invariants of a cluster. `fresh` is an additional replica that replays logs from the start."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.fresh = cluster.add("fresh")
        self._committed: dict[str, list[tuple[int | None, str]]] = {}

    def check(self) -> None:
        """Read all replicas, and assert the invariants."""
        looks = [Look(replica) for replica in self.cluster.replicas]
        for look in looks:
            self._1_committed_is_held(look)
            self._4_views_are_a_replay(look)
            self._5_prefixes(look)
            self._6_committed_order(look)
            self._8_and_13_slots(look)
            self._9_committed_stays(look)
        self._2_one_committed_log(looks)
        self._3_same_log_same_state(looks)
        self._10_stamps(looks)

    def _1_committed_is_held(self, look: Look) -> None:
        assert covers(look.state.vector, look.state.committed_vector)
        if look.state.is_primary and look.commits_itself:
            assert look.state.committed_vector == look.state.vector
            assert look.state.tentative == 0

    def _2_one_committed_log(self, looks: Sequence[Look]) -> None:
        for look in looks:
            assert [entry.csn for entry in look.committed] == list(range(look.state.osn + 1, look.state.csn + 1))
            assert look.state.last == (look.committed[-1].write.id if look.committed else "")
        for one, other in itertools.pairwise(sorted(looks, key=lambda look: look.state.csn)):
            longer = [entry.write.id for entry in other.committed]
            assert [entry.write.id for entry in one.committed] == longer[: len(one.committed)]

    def _3_same_log_same_state(self, looks: Sequence[Look]) -> None:
        for one, other in itertools.combinations(looks, 2):
            if one.state.vector == other.state.vector and one.state.csn == other.state.csn:
                assert one.shared == other.shared
                ours, theirs = one.replica.digest(), other.replica.digest()
                assert (ours.committed, ours.tentative) == (theirs.committed, theirs.tentative)

    def _4_views_are_a_replay(self, look: Look) -> None:
        """Assert that a replay of the log from the start yields the pages, outcomes, undo data and indexes of the
        replica."""
        self.fresh.forget()
        self.fresh.begin(server="fresh~aaaaaa", cluster="test", first_primary=False)
        left = Selection(0, "", tuple(Item(entry.write.id, entry.csn, entry.write.encode()) for entry in look.log))
        received = self.fresh.receive(left, "")
        assert (received.status, received.rolled_back) == ("taken", 0)
        assert look.shared == Look(self.fresh).shared

    def _5_prefixes(self, look: Look) -> None:
        chains: dict[str, list[LogEntry]] = defaultdict(list)
        for entry in look.log:
            chains[entry.write.origin].append(entry)
        for origin, chain in chains.items():
            stamps = [look.state.omitted_vector.get(origin, 0), *sorted(entry.write.stamp for entry in chain)]
            prevs = {entry.write.stamp: entry.write.prev for entry in chain}
            assert [prevs[stamp] for stamp in stamps[1:]] == stamps[:-1]
            assert look.state.vector[origin] == stamps[-1]
        assert set(look.state.vector) == set(chains)

    def _6_committed_order(self, look: Look) -> None:
        newest: dict[str, int] = {}
        for entry in look.committed:
            assert entry.write.stamp > newest.get(entry.write.origin, 0)
            newest[entry.write.origin] = entry.write.stamp
        assert newest == look.state.committed_vector

    def _8_and_13_slots(self, look: Look) -> None:
        """Assert that no request has two slots in a view.

        Two requests never share a slot, because a slot is one field of a page.
        """
        for pages in (look.committed_pages, look.tentative_pages):
            held = [
                value
                for page, fields in pages.items()
                if page.startswith("day:")
                for field, value in fields.items()
                if field.startswith(b"slot")
            ]
            assert len(held) == len(set(held))

    def _9_committed_stays(self, look: Look) -> None:
        """Assert that each committed write keeps its CSN and its outcome."""
        now = [(entry.csn, f"{entry.write.id} {entry.outcome}") for entry in look.committed]
        before = self._committed.get(look.replica.label, [])
        assert now[: len(before)] == before
        self._committed[look.replica.label] = now

    def _10_stamps(self, looks: Sequence[Look]) -> None:
        """Assert that an accepted write has a greater stamp than all writes that its replica had before.

        Also assert that each write has the same body at all replicas. A server must not have two writes with the same
        previous write.
        """
        bodies: dict[str, bytes] = {}
        successors: dict[tuple[str, int], str] = {}
        for entry in itertools.chain.from_iterable(look.log for look in looks):
            write = entry.write
            assert bodies.setdefault(write.id, write.encode()) == write.encode()
            assert successors.setdefault((write.origin, write.prev), write.id) == write.id
        for look in looks:
            assert look.state.clock >= max(look.state.vector.values(), default=0)
            for identifier, newest in look.replica.accepted.items():
                assert int(identifier[:16]) > newest
                assert identifier in bodies


class Look:
    """A snapshot of a replica: its state, its log and the content of its keys."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.state = replica.state()
        self.log = replica.log(None, 100_000) or []
        self.committed = [entry for entry in self.log if entry.csn is not None]
        self.commits_itself = replica.commit_mode == "auto"
        everything = replica.dump()
        self.shared = {key: value for key, value in everything.items() if not key.startswith(APART)}
        self.committed_pages = self._family(everything, "committed_page")
        standing = set(self._family(everything, "index"))
        copies = self._family(everything, "tentative_page")
        assert set(copies) <= standing  # a page has a tentative copy only while a tentative write touches it
        self.tentative_pages = self.committed_pages | {page: copies.get(page, {}) for page in standing}

    def _family(self, everything: dict[str, Any], name: str) -> dict[str, Any]:
        start = self.replica.key(name)[len(self.replica.prefix) :]
        return {key[len(start) :]: found for key, found in everything.items() if key.startswith(start)}
