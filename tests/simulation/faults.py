"""Draws the steps of a run from a seed. Each seed has its own rates of faults.

A step is a name and five numbers. The numbers choose among the nodes, clients and sessions that exist. So each step is
valid in any state of the world. A run stays valid if some of its steps are left out, so a failing run can be shrunk.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

Step = tuple[str, int, int, int, int, int]

# step: (weight in a calm run, weight in a bad one)
ORDINARY = {
    "reserve": (12, 12),
    "cancel": (4, 4),
    "move": (5, 5),
    "reserve_series": (3, 3),
    "move_series": (2, 2),
    "cancel_series": (1, 1),
    "person": (3, 3),
    "manage": (2.5, 2.5),
    "put": (7, 7),
    "record": (8, 8),
    "get": (10, 10),
    "again": (3, 6),
    "open": (8, 10),
    "frame": (80, 90),
    "meet": (4, 4),
}
FAULTS = {
    "cut": (0.2, 6),  # in the middle of a session
    "link": (0.2, 4),
    "heal": (0.3, 1),
    "crash": (0.05, 2),
    "restart": (0.5, 3),
    "reply": (0.1, 4),  # the next script loses its reply, runs twice, or is refused by Redis
    "flush": (0.02, 1),  # Redis restarts and forgets all scripts
    "pause": (0.1, 2),  # a process does nothing for a while
    "tail": (0, 0.6),  # a power cut that loses the last transactions
    "copy": (0.2, 2),
    "restore": (0, 0.6),  # the storage is lost, or replaced by an older copy
    "rollback": (0, 1.5),  # the storage is replaced by an older copy, and the node keeps its id
    "birth": (0, 0.15),  # the first primary loses its storage and starts the cluster again
    "clock": (0.5, 2),
    "lie": (0, 1.5),  # a peer that tells one lie, in its hello or in its first batch
    "truncate": (0.3, 2),
    "create": (0.05, 0.8),
    "retire": (0.05, 0.7),
    "forget": (0.05, 0.7),  # an operator forgets a server that is down but may come back
    "hand": (0.1, 1.2),
    "force": (0, 0.5),
    "export": (0.1, 1),
    "import": (0.2, 1.5),
    "commit": (1, 2),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices for a run that are drawn from the seed before the first step.

    `hell` is the severity of the faults. `weights` has the frequency of each kind of step. If a peer lacks at least
    `far` commits, the sender may send a full state in the place of the log. The newest `kept` commits come with a full
    state.
    """

    seed: int
    servers: int
    clients: int
    commit_mode: str
    hell: float
    doubled: float  # shares of frames that are doubled or lost
    batch: int  # items in a frame
    limits: tuple[int | None, ...]  # open reservations that a user may hold, at one node after another
    weights: dict[str, float]
    far: int
    kept: int


def plan(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    hell = random.choice([0.0, 0.05, 0.2, 0.5, 1.0])
    weights: dict[str, float] = {name: calm + (bad - calm) * hell for name, (calm, bad) in ORDINARY.items()}
    for name, (calm, bad) in FAULTS.items():
        # In each seed, some faults are absent and others are frequent. This finds more failures than average rates do.
        factor = random.choice([0, 0.3, 1, 1, 1, 3])
        weights[name] = (calm + (bad - calm) * hell) * (factor if name not in {"heal", "restart"} else max(factor, 1))
    return Plan(
        seed=seed,
        servers=random.randint(2, 9) if random.random() < 0.4 else random.randint(2, 4),
        clients=random.randint(2, 8),
        commit_mode="manual" if random.random() < 0.2 else "auto",
        hell=hell,
        doubled=random.choice([0, 0, 0.002, 0.02]) if hell else 0,
        batch=random.choice([1, 2, 5, 20, 500]),
        limits=random.choice([(None,), (None,), (3,), (6,), (3, None), (2, 5)]),
        weights=weights,
        far=random.choice([1, 2, 5, 20, 1000]),
        kept=random.choice([0, 1, 3, 10, 1000]),
    )


def steps(drawn: Plan) -> Iterator[Step]:
    """Yield the steps of a plan. The steps never end."""
    random = Random(f"steps {drawn.seed}")
    names = list(drawn.weights)
    totals = list(itertools.accumulate(drawn.weights.values()))
    while True:
        (name,) = random.choices(names, cum_weights=totals)
        bits = random.getrandbits(80)
        a, b, c, d = (bits >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        e = random.choice([1, 2]) if name == "frame" and random.random() < drawn.doubled else bits >> 64
        e = 0 if name == "frame" and e > 2 else e
        yield name, a, b, c, d, e
