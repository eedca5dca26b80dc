"""Steps of operators: truncation, commits, membership, primaries and export files."""

from __future__ import annotations

import io
from collections.abc import Iterator

from redis import ConnectionError as Lost

from bayou import export
from bayou.errors import BadInput
from replica.http.export_file import read, write
from storage.members import label_of
from tests.simulation.nodes import RULES, Node
from tests.simulation.session_steps import SessionSteps

NODES_MAX = 9
FILES_MAX = 20


class OperatorSteps(SessionSteps):
    """Adds these steps to a world: `truncate`, `commit`, `create`, `retire`, `forget`, `hand` (hands over), `force`
    (promotes by force), `export` and `import`."""

    def _do_truncate(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        keep = (0, 0, 1, 3, 10, 40)[b % 6]
        self.scenario.say(f"truncate {node.label} {keep}")
        return f"{node.label} {node.store.truncate(keep)}"

    def _do_commit(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        primaries = [node for node in self._all_serving() if node.store.state().is_primary]
        if not primaries:
            return "no primary"
        node = primaries[a % len(primaries)]
        self.scenario.say(f"commit {node.label}")
        return f"{node.label} {node.store.commit()}"

    def _do_create(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        creator = self._serving(a)
        # If a copy has used the creator's id, the creation may have no place in the order. Nothing heals that.
        if creator is None or len(self.nodes) >= NODES_MAX or creator.store.state().retired or self._is_forked(creator):
            return "nothing"
        label = self._label()
        request = f"join-{label}"
        details = {"label": label, "rest": "h:1", "anti_entropy": "h:2", "request": request}
        try:
            server = creator.store.create(**details, now_us=self._clock(creator))
        except Lost:
            self.counts["lost replies"] += 1
            server = creator.store.create(**details, now_us=self._clock(creator))
        self._add(label, server, first_primary=False, joined=False)
        creator.has_created = True
        self.scenario.note(f"created by {creator.label}")
        self.scenario.join(label)
        return f"{label} by {creator.label} as {server}"

    def _do_retire(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._serving(a)
        others = [n for n in self._all_serving() if n is not node and not n.store.state().retired]
        if node is None or not others or self._is_forked(node):
            return "nothing"
        return f"{node.label} {node.store.retire(self._clock(node))}"

    def _do_forget(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        """Let an operator forget a node that is down. The operator believes that this node is lost for good.

        The operator asks another node to forget the lost node. If that node knows the lost node as the primary, do
        nothing.
        """
        node = self._serving(a)
        down = [other for other in self.nodes.values() if not other.running]
        if node is None or not down or node.store.state().retired:
            return "nothing"
        lost, state, created = down[b % len(down)], node.store.state(), node.store.members()
        if lost.label == label_of(state.primary, created):
            return "the primary"
        return f"{lost.label} by {node.label}: {node.store.forget_server(lost.label, self._clock(node))}"

    def _is_forked(self, node: Node) -> bool:
        return node.store.state().server == node.forked

    def _do_hand(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        primaries = [node for node in self._all_serving() if node.store.state().is_primary]
        node = primaries[a % len(primaries)] if primaries else None
        others = [
            n
            for n in self._all_serving()
            if n is not node and not n.store.state().retired and node and self._linked(node, n)
        ]
        if node is None or not others:
            return "nothing"
        heir = others[b % len(others)]
        node.store.hand_over(heir.store.state().server, self._clock(node))
        self.scenario.hand_over(node.label, heir.label)
        self.checker.look(node)
        return f"{node.label} to {heir.label} {self._whole_session(node, heir, 3 if c % 3 == 0 else 2000)}"

    def _do_force(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        """Promote one node by force, or two nodes that do not know of each other's promotion."""
        first, second = self._serving(a), self._serving(b) if c % 3 == 0 else None
        chosen = [
            node for node in (first, second) if node and node.store.state().birth and not node.store.state().retired
        ]
        for node in dict.fromkeys(chosen):
            self.scenario.say(f"promote {node.label} force")
            node.store.force(self.mint(node.label), self._clock(node))
        if len(set(chosen)) == 2:
            self.counts["forced twice"] += 1
        return " ".join(f"{node.label} {node.store.state().history}" for node in chosen) or "nothing"

    def _do_export(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        node, since = self._running(a), self._running(b)
        if node is None or since is None:
            return "nothing"
        state = since.store.state()
        csn, vector = (0, {}) if c % 3 == 0 else (state.csn, dict(state.vector))
        volume: list[export.ExportFrame] = []
        for frame in export.export_volumes(node.store, RULES, csn, vector, (200, 2000, 1 << 30)[c % 3]):
            volume.append(frame)
            if isinstance(frame, export.End):
                self.files = [*self.files[-FILES_MAX:], (f"volume-{self.number}", volume)]
                volume = []
        self.scenario.say(f"export {node.label} volume-{self.number}{f' from {since.label}' if csn else ''}")
        return f"{node.label} since {since.label} {csn}"

    def _do_import(self, a: int, b: int, c: int, d: int, _e: int) -> str:
        node = self._running(b)
        if node is None or not self.files:
            return "nothing"
        name, volume = self.files[a % len(self.files)]
        importer, text = export.Importer(node.store, RULES, lambda: self._clock(node)), ""
        if c % 4 == 0:
            self.scenario.note(f"{node.label} imports the file {name}, which was cut")
        else:
            self.scenario.say(f"import {node.label} {name}")
        try:
            for frame in _cut(volume, d) if c % 4 == 0 else volume:
                importer.take(frame)
                self.checker.look(node)
        except BadInput as refusal:
            self.counts["cut files"] += 1
            text = f" {refusal.code}"
        finally:
            self._resubmit(node)
        return f"{node.label} {importer.report.received}{text}"


def _cut(volume: list[export.ExportFrame], place: int) -> Iterator[export.ExportFrame]:
    """Cut an export file at a byte, and yield the frames that can still be read from it."""
    whole = b"".join(write(iter(volume)))
    yield from read(io.BytesIO(whole[: place * len(whole) >> 16]))
