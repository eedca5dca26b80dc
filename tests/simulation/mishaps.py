"""Steps of failures and operators: crashes, lost replies and storage, clocks; the log, membership, primaries, files."""

from __future__ import annotations

from redis import ConnectionError as Lost

from bayou import media
from tests.simulation.meetings import Meetings
from tests.simulation.nodes import CLUSTER, TAGS, dump, restore

YEAR_US = 365 * 24 * 3600 * 1_000_000
JUMPS_US = (1000, 60_000_000, 3600_000_000, 86_400_000_000, YEAR_US, 3 * YEAR_US)
NODES_MAX = 9


class Mishaps(Meetings):
    """The steps crash, restart, reply, flush, copy, restore, clock, and those of an operator."""

    def _do_crash(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.running = False
        self._drop_all(node)
        return node.label

    def _do_restart(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        down = [node for node in self.nodes.values() if not node.running]
        if not down:
            return "nothing"
        node = down[a % len(down)]
        node.running, node.store.fault = True, ""
        server = node.store.server()
        assert server is not None
        node.store.begin(server=server, cluster=CLUSTER, first_primary=False)
        return node.label

    def _do_reply(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.store.fault = ("lost", "twice", "before")[b % 3]
        return f"{node.label} {node.store.fault}"

    def _do_flush(self, _a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        self.wire.call("SCRIPT", "FLUSH")
        return "scripts"

    def _do_copy(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.copy = dump(self.wire, node.label)
        return f"{node.label} CSN {node.store.state().csn}"

    def _do_restore(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        """The storage is lost, or is an old copy from now on; the replica finds out, and takes a new id."""
        node = self._running(a)
        if node is None or len(self.nodes) < 2:
            return "nothing"
        self._drop_all(node)
        self.checker.destroyed(node.label, [other for other in self.nodes.values() if other is not node])
        copy = node.copy if node.copy is not None and b % 4 else []
        restore(self.wire, node.label, copy)
        node.store.forget()
        node.store.fault = ""
        self._rename(node)
        node.joined = True
        return f"{node.label} {'from a copy' if copy else 'empty'} {node.store.state().server}"

    def _do_clock(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        jump = JUMPS_US[b % len(JUMPS_US)] * (c % 7 - 3)
        node.offset_us = max(-40 * YEAR_US, min(60 * YEAR_US, node.offset_us + jump))
        return f"{node.label} {jump}"

    # What an operator does.

    def _do_truncate(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        return f"{node.label} {node.store.truncate((0, 0, 1, 3, 10, 40)[b % 6])}"

    def _do_commit(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        primaries = [node for node in self._all_serving() if node.store.state().is_primary]
        if not primaries:
            return "no primary"
        node = primaries[a % len(primaries)]
        return f"{node.label} {node.store.commit()}"

    def _do_create(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        creator = self._serving(a)
        if creator is None or len(self.nodes) >= NODES_MAX or creator.store.state().retired:
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
        return f"{label} by {creator.label} as {server}"

    def _do_retire(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._serving(a)
        others = [n for n in self._all_serving() if n is not node and not n.store.state().retired]
        if node is None or not others:
            return "nothing"
        return f"{node.label} {node.store.retire(self._clock(node))}"

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
        self.checker.look(node)
        return f"{node.label} to {heir.label} {self._whole_session(node, heir, 3 if c % 3 == 0 else 2000)}"

    def _do_force(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._serving(a)
        if node is None or not node.store.state().birth or node.store.state().retired:
            return "nothing"
        node.store.force(self.mint(node.label), self._clock(node))
        return f"{node.label} {node.store.state().history}"

    def _do_export(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        node, since = self._running(a), self._running(b)
        if node is None or since is None:
            return "nothing"
        state = since.store.state()
        csn, vector = (0, {}) if c % 3 == 0 else (state.csn, dict(state.vector))
        volume: list[media.MediaFrame] = []
        for frame in media.export(node.store, TAGS, csn, vector, (200, 2000, 1 << 30)[c % 3]):
            volume.append(frame)
            if isinstance(frame, media.End):
                self.files = [*self.files[-20:], volume]
                volume = []
        return f"{node.label} since {since.label} {csn}"

    def _do_import(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(b)
        if node is None or not self.files:
            return "nothing"
        importer = media.Importer(node.store, TAGS)
        for frame in self.files[a % len(self.files)]:
            importer.take(frame)
            self.checker.look(node)
        return f"{node.label} {importer.report.received}"
