"""Checks the invariants that are numbered in docs/design.md.

After each step, the vectors, commits and outcomes of the nodes that changed in the step are checked. After some steps,
and at the end, all pages of a node are compared byte for byte with a replay by the model (tests/support/model.py).
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bayou.application import refusal_of_judge
from bayou.payloads import Installed
from bayou.stamps import split_id
from bayou.state import State
from bayou.write import Write
from storage.keys import Namespace
from tests.simulation.committed_log import CommittedLog, CommittedLogs
from tests.simulation.demand import Demand
from tests.simulation.listing import judge_lists
from tests.simulation.nodes import FaultyStore, Look, Node, everything
from tests.simulation.promises import judge_commits, judge_pages
from tests.simulation.redis_client import Wire
from tests.support.model import Vector, covered, replay
from tests.support.model_desk import Pages


class Checker:
    """Checks the invariants. `acknowledged` has the ids of the writes that were acknowledged to a client.

    `excused` has the ids of the writes that may be lost. A write may be lost if a storage was destroyed, or if a full
    state was installed.
    """

    def __init__(self, wire: Wire, commit_mode: str) -> None:
        self._wire = wire
        self.demand = Demand()
        self._commits_itself = commit_mode == "auto"
        self.lines = CommittedLogs()
        self.writes: dict[str, Write] = {}
        self.bodies: dict[str, bytes] = {}
        self._successor: dict[tuple[str, int], str] = {}
        self.acknowledged: set[str] = set()
        self.excused: set[str] = set()
        self.forked: set[str] = set()  # server ids under which a copy has run
        self._last: dict[str, State] = {}
        self._followed: dict[str, CommittedLog] = {}
        self._vectors: dict[str, Vector] = {}
        self._tentative: dict[str, list[str]] = {}
        self._set_aside: dict[str, list[str]] = {}
        self._unnamed: dict[str, list[str]] = defaultdict(list)  # label -> revoked writes of the last full state
        self._same: dict[tuple[Any, ...], tuple[str, str]] = {}
        self.counts: Counter[str] = Counter()

    # After each step.

    def look(self, node: Node) -> None:
        """Check each new Look at the node. A Look is new if it was taken after the last call."""
        self._look(node.label, node.store)

    def _look(self, label: str, store: FaultyStore) -> None:
        for look in store.looks():
            self._learn(label, look)
            line = self._committed(label, look)
            self._vectors_of(label, look, line)
            self._last[label] = look.state
            self._tentative[label] = look.tentative
            self._set_aside[label] = look.set_aside

    def _learn(self, label: str, look: Look) -> None:
        """Fetch the writes of the node that the checker has not seen yet, and check these writes.

        Each write must have a body, and must be stored under the id in this body. Two writes of a server must not have
        the same previous write.
        """
        ids = [identifier for _, identifier, _ in look.committed if identifier not in self.writes]
        ids += [identifier for identifier in look.tentative if identifier not in self.writes]
        if not ids:
            return
        bodies = self._wire.call("HMGET", Namespace(label).prefix + "writes", *ids)
        for identifier, body in zip(ids, bodies, strict=True):
            self.demand(5, body is not None, label, "has no body of", identifier)
            write = Write.decode(body)
            self.demand(10, write.id == identifier, identifier, "is kept under another id")
            other = self._successor.setdefault((write.origin, write.prev), identifier)
            is_forked = write.origin in self.forked
            self.demand(10, is_forked or other == identifier, "two writes follow one:", other, identifier)
            self.writes[identifier], self.bodies[identifier] = write, body

    def _committed(self, label: str, look: Look) -> CommittedLog:
        state, before = look.state, self._last.get(label)
        known = [(csn, identifier) for csn, identifier, _ in look.committed]
        start_csn = state.osn if look.whole or before is None else before.csn
        if before is not None and before.history == state.history and start_csn <= before.csn <= state.csn:
            known.append((before.csn, before.last))
        line = self.lines.follow(state, start_csn, [*known, (state.csn, state.last)], before, self._followed.get(label))
        self._followed[label] = line
        self.demand(2, state.osn <= state.csn, label, "has dropped more than is committed", state.osn, state.csn)
        numbers = [csn for csn, _, _ in look.committed]
        start = state.osn if look.whole else (before.csn if before else 0)
        self.demand(2, numbers == list(range(start + 1, state.csn + 1)), label, "CSNs are", numbers, "behind", start)
        for csn, identifier, outcome in look.committed:
            if csn > line.csn:
                self.demand(2, csn == line.csn + 1, label, "skips to CSN", csn, "from", line.csn)
                problem = line.add(self.writes[identifier])
                self.demand(6, problem is None, label, problem)
            self.demand(
                2, line.ids[csn - 1] == identifier, label, "CSN", csn, "is", identifier, "not", line.ids[csn - 1]
            )
            self.demand(3, line.outcomes[csn - 1] == outcome, label, identifier, outcome, "!=", line.outcomes[csn - 1])
        self.demand(2, line.csn >= state.csn, label, "CSN", state.csn, "of a history that ends with", line.csn)
        last = line.ids[state.csn - 1] if state.csn else ""
        self.demand(2, state.last == last, label, "last commit", state.last, "is not", last)
        if before is not None and before.history == state.history and before.server == state.server:
            self.demand(9, state.csn >= before.csn, label, "CSN went back", before.csn, state.csn)
        return line

    def _vectors_of(self, label: str, look: Look, line: CommittedLog) -> None:
        state = look.state
        committed, omitted = line.vectors[state.csn], line.vectors[state.osn]
        self.demand(1, state.committed_vector == committed.stamps, label, "C", state.committed_vector, committed.stamps)
        self.demand(5, state.omitted_vector == omitted.stamps, label, "O", state.omitted_vector, omitted.stamps)
        vector = committed.copy()
        for identifier in look.tentative:
            write = self.writes[identifier]
            held = vector.complete(write.origin)
            self.demand(5, write.prev == held, label, identifier, "follows", write.prev, "and", held, "is held")
            vector.cover(write)
        back = [server for server in state.vector if vector.complete(server) == math.inf]
        self.demand(11, not back, label, "holds retired servers:", back)
        self.demand(1, state.vector == vector.stamps, label, "V", state.vector, "!=", vector.stamps)
        self.demand(11, state.retired_servers == tuple(sorted(vector.gone)), label, "retired", state.retired_servers)
        order = [(self.writes[identifier].stamp, self.writes[identifier].origin) for identifier in look.tentative]
        self.demand(3, order == sorted(order, key=lambda pair: (pair[0], pair[1].encode())), label, "tentative order")
        self.demand(10, state.clock >= max(state.vector.values(), default=0), label, "the clock is behind")
        if self._commits_itself and state.is_primary and not look.tentative:
            self.demand(1, state.vector == state.committed_vector, label, "primary: C is not V")
        self._vectors[label] = vector

    def accepted(self, label: str, identifier: str, before: State) -> None:
        """Record that this node acknowledged a write to a client, and check the id of the write (invariant 10).

        `before` is the state of the node before the write. The id must name the server of this state, and the stamp in
        the id must exceed all stamps of this state.
        """
        stamp, origin = split_id(identifier)
        self.demand(10, origin == before.server, identifier, "is not by", before.server)
        newest = max(before.vector.values(), default=0)
        self.demand(10, stamp > newest, identifier, "is not beyond", newest, "which", label, "held")
        self.acknowledged.add(identifier)

    def session_held(self, label: str, needs: dict[str, int], view: str) -> None:
        """Check a node that has answered a request of a client session (invariant 12).

        `needs` maps servers to stamps. In the view `view`, the node must hold the writes of each server up to the
        stamp.
        """
        state = self._last[label]
        vector = self._vectors[label]
        if view == "committed":
            vector = self._line_of(label, state).vectors[state.csn]
        for server, stamp in needs.items():
            self.demand(12, vector.complete(server) >= stamp, label, "served without", server, stamp, view)

    def installed(self, store: FaultyStore, before: State, installed: Installed | None) -> None:
        """Record which writes may be lost, after a node has installed a full state.

        `before` is the node's state before the installation. `installed` is the result of the installation. If the
        reply of Redis was lost, `installed` is None.

        The result must name each revoked commit that the node lost and had not truncated. `compared` checks this rule
        later (invariant 9).

        Writes in `installed.lost` may be lost. A revoked commit may be lost if the node had truncated the commit. If
        `installed` is None, every revoked commit may be lost.
        """
        after, followed = store.state(), self._followed.get(store.label)
        self._look(store.label, store)
        old, new = self.lines.of(before, followed), self._line_of(store.label, after)
        stays = set(new.ids[: after.csn])
        revoked = [identifier for identifier in old.ids[: before.csn] if identifier not in stays]
        self.counts["revoked"] += len(revoked)
        named = {*installed.revoked, *installed.set_aside, *installed.lost} if installed else set(revoked)
        truncated = set(old.ids[: before.osn])
        self._excuse(truncated.intersection(revoked))
        for identifier in revoked:
            if identifier not in named and identifier not in truncated and not self._covers(store.label, identifier):
                self._unnamed[store.label].append(identifier)
        self._excuse(revoked if installed is None else installed.lost)

    def compared(self, label: str, *, is_partial: bool) -> None:
        """Check that the node has named each commit that it lost when it installed a full state.

        `is_partial` is true if the sender of the full state could not compare the whole log. Then commits that are not
        named may be lost, as docs/design.md says.
        """
        unnamed = self._unnamed.pop(label, [])
        self.demand(9, is_partial or not unnamed, label, unnamed, "were committed, and are not named")
        self._excuse(unnamed)
        self.counts["not compared"] += len(unnamed)

    def _excuse(self, identifiers: Iterable[str]) -> None:
        """Record that these writes may be lost.

        A request that was made twice has two writes. If no node holds a write of the request, both writes may be lost.
        """
        lost = set(identifiers)
        if not lost:
            return
        held = set().union(*(self._requests(label) for label in self._last))
        gone = {self._asked(identifier) for identifier in lost} - held
        self.excused |= lost | {identifier for identifier in self.acknowledged if self._asked(identifier) in gone}

    def _asked(self, identifier: str) -> tuple[str, str]:
        write = self.writes[identifier]
        return write.user, write.request

    def _covers(self, label: str, identifier: str) -> bool:
        if self.writes[identifier].origin in self.forked:  # a vector does not show which writes the node holds
            state = self._last[label]
            return identifier in self._tentative[label] or identifier in self._line_of(label, state).ids[: state.csn]
        return self._vectors[label].holds(self.writes[identifier])

    # When storage is destroyed, or a server leaves.

    def destroyed(self, label: str, others: Iterable[Node]) -> None:
        """Excuse acknowledged writes that were lost with the storage of the node `label`.

        A write is excused if none of the other nodes (`others`) holds a write of the same request. Invariant 7 (no
        acknowledged write is lost) does not apply to excused writes.
        """
        gone = self._requests(label) - set().union(*(self._requests(other.label) for other in others))
        self.excused.update(identifier for identifier in self.acknowledged if self._asked(identifier) in gone)
        self.forget(label)

    def _requests(self, label: str) -> set[tuple[str, str]]:
        """Return the requests of the writes that a node holds or has set aside.

        The node will make each set-aside write again with the same request, so this request is not lost.
        """
        if label not in self._last:
            return set()
        state = self._last[label]
        ids = (*self._line_of(label, state).ids[: state.csn], *self._tentative[label], *self._set_aside[label])
        return {self._asked(identifier) for identifier in ids}

    def forget(self, label: str) -> None:
        for known in (self._last, self._followed, self._vectors, self._tentative, self._set_aside):
            known.pop(label, None)

    def _line_of(self, label: str, state: State) -> CommittedLog:
        return self.lines.of(state, self._followed.get(label))

    def knows_retired(self, label: str, server: str) -> bool:
        return self._vectors[label].complete(server) == math.inf

    # After some steps.

    def whole(self, node: Node) -> None:
        """Compare all keys of a node with the model, and check these invariants:

        3   outcomes equal those of the model, and nodes with the same vector and CSN have the same pages
        4   pages equal a replay of the log
        8   no two reservations overlap
        13  rooms, reservations and series agree
        19  the lists of the applications have the entries that the writes add, and no other entries
        """
        self.counts["whole"] += 1
        state = self._last[node.label]
        found = everything(self._wire, node.label)
        line = self._line_of(node.label, state)
        committed_pages = line.pages(state.csn)
        tentative_writes = [self.writes[identifier] for identifier in self._tentative[node.label]]
        tentative_pages, outcomes = replay(tentative_writes, committed_pages, commits=False)
        generation = found["meta"]["generation"]
        committed = family(found, f"c{generation}:")
        differ(self.demand, 4, node.label, "committed", committed, line.noted(state.csn))
        committed = {name: unnoted(fields) for name, fields in committed.items()}
        index = family(found, "index:")
        tentative = {**committed, **{page: {} for page in index}}
        copies = family(found, "t:")
        self.demand(4, set(copies) <= set(index), node.label, "a tentative copy without tentative writes")
        tentative.update(copies)
        differ(self.demand, 4, node.label, "tentative", tentative, tentative_pages)
        declared = {page for write in tentative_writes for page in write.pages}
        self.demand(4, set(index) == declared, node.label, "index of", set(index) ^ declared)
        kept = line.ids[state.osn : state.csn]
        told = dict(zip(kept, line.outcomes[state.osn : state.csn], strict=True))
        told |= dict(zip(self._tentative[node.label], outcomes, strict=True))
        self.demand(
            3, found.get("outcomes", {}) == told, node.label, "outcomes", delta(found.get("outcomes", {}), told)
        )
        bodies = {identifier: self.bodies[identifier].decode() for identifier in told}
        self.demand(3, found.get("writes", {}) == bodies, node.label, "bodies")
        self.demand(4, set(found.get("effects", {})) == set(self._tentative[node.label]), node.label, "effects")
        for pages in (committed, tentative):
            judge_pages(self.demand, node.label, pages)
        held = [self.writes[identifier] for identifier in (*line.ids[: state.csn], *self._tentative[node.label])]
        judge_lists(self.demand, node.label, found, held, self.writes.values())
        fork = (state.last, *self._tentative[node.label]) if self.forked else ()
        key = (state.history, state.csn, fork, state.retired_servers, json.dumps(dict(sorted(state.vector.items()))))
        shown = json.dumps([sorted((k, v) for k, v in t.items() if v) for t in (committed, tentative)], sort_keys=True)
        same = self._same.setdefault(key, (shown, f"{node.label}, {self._tentative[node.label]}"))
        why = node.label, "differs from a node with the same V and CSN", same[1], self._tentative[node.label]
        self.demand(3, same[0] == shown, *why)

    # At the end.

    def quiet(self, nodes: Sequence[Node]) -> None:
        """Check these invariants at the end of a run, when all links are healed and all sessions have ended:

        7   no acknowledged write is lost
        14  all nodes are equal, and have no tentative writes
        16  a series with the option all_or_nothing has all its slots, or nothing was changed
        17  a write respects its limit on open reservations, and each user's page lists the user's open reservations
        18  only permitted users changed reservations and people
        """
        first = self._last[nodes[0].label]
        line = self._line_of(nodes[0].label, first)
        for node in nodes:
            state = self._last[node.label]
            self.demand(14, state.tentative == 0, node.label, "has tentative", self._tentative[node.label][:3])
            self.demand(14, state.set_aside == 0, node.label, "has set aside", state.set_aside)
            same = (state.csn, state.history, state.last) == (first.csn, first.history, first.last)
            self.demand(14, same, node.label, state.csn, state.history, "!=", first.csn, first.history)
            log = self._line_of(node.label, state)
            self.demand(14, log.ids[: state.csn] == line.ids[: first.csn], node.label, "has another log")
            self.demand(14, state.vector == first.vector, node.label, "V", state.vector, first.vector)
            self.whole(node)
        final = set(line.ids[: first.csn])
        asked = {self._asked(identifier) for identifier in final}  # a write that was made again has another id
        lost = {one for one in self.acknowledged - final - self.excused if self._asked(one) not in asked}
        self.demand(7, not lost, len(lost), "acknowledged writes are lost:", sorted(lost)[:3])
        again, outcomes = replay((self.writes[one] for one in line.ids[: first.csn]), commits=True)
        differ(self.demand, 14, "the model", "replay", line.pages(first.csn), again)
        self.demand(14, outcomes == line.outcomes[: first.csn], "outcomes of the replay")
        commits = list(line.commits())[: first.csn]
        self.counts["forbidden"] += sum(refusal_of_judge(outcome) is not None for _, outcome, _ in commits)
        judge_commits(self.demand, [(self.writes[one], outcome, changes) for one, outcome, changes in commits])
        whole = covered(self.writes[identifier] for identifier in line.ids[: first.csn])
        self.demand(14, whole.stamps == first.vector, "V is not what the log covers")


def unnoted(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields of a committed page without the notes.

    A note is a field that a commit leaves on the page. The name of a note begins with #.
    """
    return {name: value for name, value in fields.items() if not name.startswith("#")}


def family(found: dict[str, Any], head: str) -> dict[str, Any]:
    return {key[len(head) :]: value for key, value in found.items() if key.startswith(head)}


def differ(demand: Demand, number: int, label: str, view: str, shown: Pages, wanted: Pages) -> None:
    ours = {page: fields for page, fields in shown.items() if fields}
    theirs = {page: fields for page, fields in wanted.items() if fields}
    demand(number, ours == theirs, label, view, "pages", delta(ours, theirs))


def delta(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Return a text with the first three differences between the store's values and the model's values."""
    names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    return "; ".join(f"{name}: {ours.get(name)} but the model {theirs.get(name)}" for name in names[:3])
