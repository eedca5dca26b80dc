"""The world of a run. The world runs steps, checks invariants after each step, and heals everything at the end.

The code under test has no clock, network, thread or randomness of its own. The steps decide everything. An impossible
step does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from redis import ConnectionError as Lost

from bayou.errors import Refusal
from bayou.history import decode
from bayou.state import State
from tests.simulation.failure_steps import FailureSteps
from tests.simulation.faults import Plan, Step
from tests.simulation.operator_steps import OperatorSteps
from tests.simulation.redis_client import Wire
from tests.simulation.series_steps import SeriesSteps

IDLE = {"nothing", "busy", "nobody serves"}
WHOLE_EVERY = 60


class World(SeriesSteps, FailureSteps, OperatorSteps):
    """The world of a run. After each step whose number is a multiple of `whole_every`, the checker compares all keys of
    the changed nodes with the model."""

    def __init__(self, plan: Plan, wire: Wire, whole_every: int = WHOLE_EVERY) -> None:
        super().__init__(plan, wire)
        self.whole_every = whole_every
        for _ in range(plan.servers):
            label = self._label()
            self._add(label, self.mint(label), first_primary=not self.nodes)
            self.scenario.join(label)
        self._check()

    def step(self, step: Step) -> None:
        name, *numbers = step
        self.number += 1
        self.now_us += 1 + numbers[3] % 5000
        said = len(self.scenario.lines)
        for node in self.nodes.values():
            node.pause = max(0, node.pause - 1)
        action: Callable[..., str] = getattr(self, f"_do_{name}")
        try:
            text = action(*numbers)
        except Lost as error:
            text = str(error)
            self.counts["lost replies"] += 1
        except Refusal as refusal:
            text = refusal.code
        self.counts[name] += 1
        self._check()
        self._lose_tails()
        self.trace.append(f"{self.number:05} {name} {text}")
        if len(self.scenario.lines) == said and text not in IDLE:
            self.scenario.note(f"{name} {text}")

    def _check(self) -> None:
        for node in list(self.nodes.values()):
            if not node.store.dirty:
                continue
            self.checker.look(node)
            if node.running and self.plan.commit_mode == "auto" and node.store.state().tentative:
                try:
                    node.store.catch_up()
                except Lost:
                    self.counts["lost replies"] += 1
                self.checker.look(node)
            if self.number % self.whole_every == 0:
                self.checker.whole(node)

    def finish(self) -> None:
        """Heal all faults, run sessions until all nodes are equal, and check everything."""
        self.sessions.clear()
        self.cut.clear()
        for node in self.nodes.values():
            if node.unsure:
                self._rename(node)
            if not node.running:
                self.scenario.say(f"recover {node.label}")
            node.running, node.pause, node.store.fault, node.power_cut, node.unsure = True, 0, "", None, False
        for node in list(self.nodes.values()):
            self._correct_clock(node)
        self.now_us += 1_000_000  # some logs have the highest stamp that the clock allows, and need a higher one
        self.scenario.heal()
        errors: list[str] = []
        for round_number in range(30):
            self._end_births()
            errors = self._round(force=round_number > 2)
            if round_number > 2:
                self._end_forks_of_members()
            states = [node.store.state() for node in self.nodes.values()]
            if len({_shown(state) for state in states}) == 1 and not any(
                s.tentative or s.set_aside or s.retired for s in states
            ):
                break
        self.trace.append(f"quiet {len(self.nodes)} nodes, CSN {states[0].csn} {' '.join(errors)}")
        self.checker.quiet(list(self.nodes.values()))
        self._check()

    def _end_births(self) -> None:
        """If servers have different births (first primaries), keep only the most frequent birth, as an operator would
        do.

        The servers with other births start again without their data.
        """
        births = Counter(node.store.state().birth for node in self.nodes.values() if node.store.state().met)
        for birth in sorted(births, key=lambda birth: (births[birth], birth))[:-1]:
            for node in list(self.nodes.values()):
                if node.store.state().birth == birth:
                    self._start_without_data(node)
                    self.counts["two births"] += 1

    def _end_forks_of_members(self) -> None:
        """Start some nodes again without their data, as the error message FORK_OF_MEMBERS tells an operator to do.

        Such a node holds a retirement or a hand-over that has no place in the committed log. Nothing else heals the
        node.
        """
        for label in sorted(self.forks_of_members & set(self.nodes)):
            self._start_without_data(self.nodes[label])
            self.counts["forks of members"] += 1
        self.forks_of_members.clear()

    def _round(self, *, force: bool) -> list[str]:
        errors = []
        for one in list(self.nodes.values()):
            for other in list(self.nodes.values()):
                if one.label < other.label and {one.label, other.label} <= set(self.nodes):
                    error = self._whole_session(one, other, 100_000, stands=self.plan.seed % 2 == 1)
                    errors += [f"{one.label}-{other.label}:{error}"] if error else []
                    self._check()
        live = [node for node in self.nodes.values() if not node.store.state().retired and node.joined]
        if not live:
            node = next(iter(self.nodes.values()))
            self._rename(node)
            live = [node]
        if not any(node.store.state().birth for node in live):
            # The first primary lost its storage before it met another server: the cluster starts again.
            live[0].store.adopt(live[0].store.state().server)
        primaries = [node for node in live if node.store.state().is_primary]
        if not primaries and force and live[0].store.state().birth:
            live[0].store.force(self.mint(live[0].label), self._clock(live[0]))
        elif force and any(error.endswith("cannot_compare") for error in errors):  # as the error message asks
            node = max(live, key=lambda one: decode(one.store.state().history)[-1:])
            if not node.store.state().is_primary:
                node.store.force(self.mint(node.label), self._clock(node))
        for node in primaries:
            node.store.commit()
        self._check()
        return errors


def _shown(state: State) -> tuple[object, ...]:
    return state.history, state.csn, state.last, tuple(sorted(state.vector.items())), state.primary
