"""Runs steps in a new simulated world. The steps are drawn from a seed or given by the caller."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from redis import Redis

from bayou import export, sender
from cluster.drivers.private_redis import private_redis
from cluster.waiting import wait_until
from tests.simulation.demand import Violation
from tests.simulation.faults import Plan, Step, plan, steps
from tests.simulation.redis_client import Wire
from tests.simulation.world import WHOLE_EVERY, World


@dataclass(slots=True)
class Run:
    """The result of a run. `error` is usually a Violation, but any other exception is possible."""

    plan: Plan
    steps: list[Step]
    trace: list[str]
    script: list[str]  # the trace in the scenario language, as far as it can express the run
    counts: Counter[str]
    seconds: float
    error: BaseException | None = None

    @property
    def invariant(self) -> int | None:
        return self.error.number if isinstance(self.error, Violation) else None

    @property
    def kind(self) -> str:
        """Return the kind of the failure. Two failures count as the same if their kinds are equal."""
        return f"{type(self.error).__name__} {self.invariant}"


@dataclass(slots=True)
class Lab:
    """A private Redis in which simulations run. `wire` and `client` are two connections to this Redis."""

    wire: Wire
    client: Redis = field(repr=False)

    def seed(self, seed: int, count: int) -> Run:
        drawn = plan(seed)
        return self.replay(drawn, list(itertools.islice(steps(drawn), count)))

    def replay(self, drawn: Plan, given: Sequence[Step], whole_every: int = WHOLE_EVERY) -> Run:
        began = time.monotonic()
        done: list[Step] = []
        error: BaseException | None = None
        with contextlib.ExitStack() as stack:
            for module in (sender, export):
                stack.enter_context(patch.object(module, "BATCH_COUNT_MAX", drawn.batch))
            stack.enter_context(patch.object(sender, "FAR_COMMITS_MIN", drawn.far))
            stack.enter_context(patch.object(sender, "FAR_SHARE_MAX", 1000))  # there are more pages than commits
            world = World(drawn, self.wire, whole_every)
            stack.enter_context(patch("storage.full_state.mint", world.mint))
            try:
                for step in given:
                    done.append(step)
                    world.step(step)
                world.finish()
            except Exception as found:  # any exception is a finding
                error = found
                world.scenario.note(f"{done[-1][0] if done else 'begin'}: {found}")
                world.trace.append(f"{world.number:05} {done[-1][0] if done else ''}: {found}")
        counts = world.counts + world.checker.counts
        counts.update({f"invariant {number}": count for number, count in world.checker.demand.counts.items()})
        counts["steps"] = len(done)
        counts["writes"] = len(world.checker.writes)
        return Run(drawn, done, world.trace, world.scenario.lines, counts, time.monotonic() - began, error)


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    """Yield a Lab with a private Redis. In this Redis, a save has failed. So a fault can make Redis refuse writing
    scripts with the error MISCONF."""
    with private_redis() as client:
        # A folder with the name of its file makes the save fail.
        Path(str(client.config_get("dir")["dir"]), str(client.config_get("dbfilename")["dbfilename"])).mkdir()
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 20, "a save has failed")
        wire = Wire(str(client.connection_pool.connection_kwargs["path"]))
        try:
            yield Lab(wire, client)
        finally:
            wire.close()
