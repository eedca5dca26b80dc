"""The committed log that every replica with the same history must have. The model computes the outcomes and the pages
of the log.

The epochs of a history identify the history. For each commit, the log has the outcome, and also the vector and the
pages after the commit. A history may branch off another history. The log of the new history then begins with the
commits of the other history up to the branch.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from bayou.state import State
from bayou.write import Write
from tests.support.model import Vector, play
from tests.support.model_desk import Pages
from tests.support.model_records import notes_of_records

CHECKPOINT = 32  # commits between full copies of the pages


class CommittedLog:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.outcomes: list[str] = []
        self.vectors: list[Vector] = [Vector()]  # by CSN
        self._changes: list[Pages] = []
        self._checkpoints: list[Pages] = [{}]
        self._pages: Pages = {}
        self._notes: list[Pages] = []

    @property
    def csn(self) -> int:
        return len(self.ids)

    def add(self, write: Write) -> str | None:
        """Append a commit and return None.

        The commits of an origin must keep the accept order of the origin (invariant 6). If this commit breaks the
        order, append nothing and return a message.
        """
        before = self.vectors[-1]
        if before.complete(write.origin) != write.prev:
            return f"{write.id} follows {write.prev}, and {before.complete(write.origin)} is committed"
        vector = before.copy()
        vector.cover(write)
        outcome, changes = play(write, self._pages, commits=True)
        self._pages.update(changes)
        self.ids.append(write.id)
        self.outcomes.append(outcome)
        self.vectors.append(vector)
        self._changes.append(changes)
        self._notes.append(notes(write, self.csn, outcome))
        if self.csn % CHECKPOINT == 0:
            self._checkpoints.append(dict(self._pages))
        return None

    def commits(self) -> Iterator[tuple[str, str, Pages]]:
        """Return all commits in order, as (write id, outcome, changed pages)."""
        return zip(self.ids, self.outcomes, self._changes, strict=True)

    def pages(self, csn: int) -> Pages:
        """Return the committed pages at a CSN. The caller must not change these pages."""
        number = csn // CHECKPOINT
        pages = dict(self._checkpoints[number])
        for changes in self._changes[number * CHECKPOINT : csn]:
            pages.update(changes)
        return pages

    def noted(self, csn: int) -> Pages:
        """Return the committed pages at a CSN, including the notes that commits have left on the pages."""
        pages = self.pages(csn)
        for noted in self._notes[:csn]:
            for name, fields in noted.items():
                pages[name] = {**pages.get(name, {}), **fields}
        return pages

    def branch(self, csn: int) -> CommittedLog:
        """Return a new log with the commits of this log up to a CSN."""
        line = CommittedLog()
        line.ids, line.outcomes = self.ids[:csn], self.outcomes[:csn]
        line.vectors, line._changes = self.vectors[: csn + 1], self._changes[:csn]
        line._notes = self._notes[:csn]
        line._checkpoints = self._checkpoints[: csn // CHECKPOINT + 1]
        line._pages = self.pages(csn)
        return line


class CommittedLogs:
    """The logs of all histories that were seen so far.

    A history usually has one log. Each time a server goes on with an old copy of its storage, a history may get one
    more log. `forks` counts how often a server has gone on with an old copy.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[CommittedLog]] = {"[]": [CommittedLog()]}
        self.forks = 0

    def of(self, state: State, followed: CommittedLog | None = None) -> CommittedLog:
        """Return the log that a node in this state follows.

        `followed` is the log that the node has followed so far. If `followed` has the node's last commit, return
        `followed`. Otherwise, return the first log of the node's history that has the node's last commit. If no log has
        this commit, return the first log of the history.

        A node with commits but without epochs runs on a copy that has given up its history. For such a node, search the
        logs of all histories instead.
        """
        if followed is not None and state.csn <= followed.csn and not _differing(followed, [(state.csn, state.last)]):
            return followed
        is_copy = state.history == "[]" and state.csn > 0
        lines = list(itertools.chain(*self._lines.values())) if is_copy else self._of(state.history, None)
        return self._holding(lines, state)

    def follow(
        self,
        state: State,
        start_csn: int,
        known: Sequence[tuple[int, str]],
        before: State | None,
        followed: CommittedLog | None,
    ) -> CommittedLog:
        """Return the log of the node's history that fits the node's commits. If several logs fit, prefer `followed`,
        the log that the node has followed so far.

        `known` has pairs (CSN, id) of the node's commits from `start_csn` on. A log fits if it reaches `start_csn` and
        has no other id at one of these CSNs. `state` is the node's state now, and `before` is the node's state at the
        previous look.

        If no log fits because of another id, and the history may get one more log, return a new log. The new log
        branches off the log that agrees longest, before the first other id. In all other cases without a fitting log,
        return the first log of the history.
        """
        if state.history == "[]" and state.csn > 0:
            return self.of(state)
        lines = self._of(state.history, before)
        fitting = [line for line in lines if line.csn >= start_csn and not _differing(line, known)]
        # A full state brings few commits, and several logs may have them. Then the vectors decide which log fits.
        fitting = [line for line in fitting if _has_vectors(line, state)] or fitting
        if fitting:
            if followed is not None and any(line is followed for line in fitting):
                return followed
            return max(fitting, key=lambda line: sum(csn <= line.csn for csn, _ in known))
        differing = [(min(found), line) for line in lines if (found := _differing(line, known))]
        if len(lines) > self.forks or not differing:
            return lines[0]
        csn, nearest = max(differing, key=lambda one: one[0])
        lines.append(nearest.branch(csn - 1))
        return lines[-1]

    def _of(self, history: str, before: State | None) -> list[CommittedLog]:
        if history not in self._lines:
            epochs = json.loads(history)
            parents = json.dumps(epochs[:-1], separators=(",", ":"))
            lines = self._of(parents, before)
            had_it = before is not None and before.history in {parents, "[]"}  # a copy has given up its history
            parent = self._holding(lines, before) if before is not None and had_it else lines[0]
            self._lines[history] = [parent.branch(min(epochs[-1][2] - 1, parent.csn))]
        return self._lines[history]

    def _holding(self, lines: list[CommittedLog], state: State) -> CommittedLog:
        known = [(state.csn, state.last)]
        return next((line for line in lines if line.csn >= state.csn and not _differing(line, known)), lines[0])


def _has_vectors(line: CommittedLog, state: State) -> bool:
    """Return whether the node's vectors fit the log.

    The committed vector must equal the log's vector at the node's CSN. The omitted vector must equal the log's vector
    at the node's OSN (the CSN of the newest truncated commit). A CSN after the end of the log is not compared.
    """
    vectors = (state.osn, state.omitted_vector), (state.csn, state.committed_vector)
    return all(csn > line.csn or line.vectors[csn].stamps == vector for csn, vector in vectors)


def _differing(line: CommittedLog, known: Sequence[tuple[int, str]]) -> list[int]:
    """Return the CSNs in `known` at which the log has a commit with another id."""
    return [csn for csn, identifier in known if 0 < csn <= line.csn and line.ids[csn - 1] != identifier]


OF_NOBODY = {"failed", "duplicate", "differs", "unknown", "forbidden"}


def notes(write: Write, csn: int, outcome: str) -> Pages:
    """Return the notes that a commit leaves on pages. The result maps the name of each page to fields.

    Each field is a note. The name of the field is # and the CSN. The text of the field says what the write did to the
    page.
    """
    status, _, detail = outcome.partition(" ")
    judged = status == "forbidden" and bool(detail)
    if write.app == "records/1":
        return notes_of_records(write, csn, outcome)
    if not write.app.startswith("rooms/") or (status in OF_NOBODY and not judged):
        return {}
    op = write.op.removesuffix("_series")
    subject = write.args.get("reservation") or write.args.get("series") or ""
    subject = f"{write.user}/{write.request}" if op == "reserve" else subject
    told = {subject: outcome}
    if op != write.op:
        days = [occurrence["date"] for occurrence in write.args["occurrences"]]
        became = zip(days, [outcome] * len(days) if judged else detail.split("\t"), strict=True)
        told = {subject: outcome if judged else status} | {f"{subject}~{day}": text for day, text in became}
    user = write.user if subject.partition("/")[0] != write.user else ""
    head, tail = [write.id, "" if op == "reserve" else op], [user] if user else []
    if write.accepted_at:
        stamped = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(write.id.partition("@")[0]))
        accepted = datetime.fromisoformat(write.accepted_at).replace(microsecond=0)
        tail = tail if abs(stamped - accepted) < timedelta(minutes=1) else [user, write.accepted_at]
    if "owner" in write.args:
        user, at = [*tail, "", ""][:2]
        tail = [user, at, write.args["owner"]]
    return {
        f"reservation:{name}": {f"#{csn}": "\t".join([*head, text, *tail])}
        for name, text in told.items()
        if judged or text.split(" ", maxsplit=1)[0] not in OF_NOBODY
    }
