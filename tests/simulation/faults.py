"""What happens in a run: steps drawn from a seed, with rates of faults of their own for each seed.

A step is a name and five numbers, and means something in any state of the world (the numbers choose among what is
there), so a run from which steps were left out is still a run: that is what makes traces shrinkable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

Step = tuple[str, int, int, int, int, int]

# step: (weight in a calm run, weight in hell)
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
    "get": (10, 10),
    "again": (3, 6),
    "open": (8, 10),
    "frame": (80, 90),
    "meet": (4, 4),
}
FAULTS = {
    "cut": (0.2, 6),  # a session, at a frame
    "link": (0.2, 4),
    "heal": (0.3, 1),
    "crash": (0.05, 2),
    "restart": (0.5, 3),
    "reply": (0.1, 4),  # the next script: its reply is lost, or it runs twice, or Redis refuses it
    "flush": (0.02, 1),  # Redis has restarted: it knows no script any more, and its clients are looked at anew
    "pause": (0.1, 2),  # a process stands still, and goes on where it was
    "tail": (0, 0.6),  # a power cut soon: the log loses its last transactions
    "copy": (0.2, 1),
    "restore": (0, 0.6),  # the storage is lost, or an older copy from now on
    "birth": (0, 0.15),  # the first primary's storage is lost, and it founds the cluster once more
    "clock": (0.5, 2),
    "truncate": (0.3, 2),
    "create": (0.05, 0.8),
    "retire": (0.05, 0.7),
    "hand": (0.1, 1.2),
    "force": (0, 0.5),
    "export": (0.1, 1),
    "import": (0.2, 1.5),
    "commit": (1, 2),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed draws first: how many servers and clients, and how bad it gets."""

    seed: int
    servers: int
    clients: int
    commit_mode: str
    hell: float
    doubled: float  # how many frames come twice, or not at all
    batch: int  # items of a frame
    limits: tuple[int | None, ...]  # how many open reservations a user may hold: of one node, the next, and so on
    weights: dict[str, float]


def plan(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    hell = random.choice([0.0, 0.05, 0.2, 0.5, 1.0])
    weights: dict[str, float] = {name: calm + (bad - calm) * hell for name, (calm, bad) in ORDINARY.items()}
    for name, (calm, bad) in FAULTS.items():
        # Some faults are absent, some come in plenty: swarms find what averages hide.
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
    )


def steps(drawn: Plan) -> Iterator[Step]:
    """Endless."""
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
