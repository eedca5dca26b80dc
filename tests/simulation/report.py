"""Prints the results of runs. For a failed run, this module prints the shrunk trace as a scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.run import Run

CLIENTS = ("reserve", "move", "cancel", "put", "get", "again", "operations", "refused", "behind", "writes")
ARRANGING = ("reserve_series", "move_series", "cancel_series", "person", "manage", "forbidden")
SESSIONS = ("sessions", "frame", "rolled back", "replayed", "full states", "offered states", "revoked")
STANDING = ("frames taken", "syncs", "closed")
NETWORK = ("cut", "link", "heal", "doubled frames", "lost frames", "lie")
PROCESSES = ("crash", "restart", "pause", "clock", "stamps ahead")
REDIS = ("reply lost", "reply twice", "reply before", "reply oom", "reply misconf", "flush")
STORAGE = (
    "lost tails",
    "restore",
    "rollback",
    "healed epochs",
    "made again",
    "not compared",
    "birth",
    "two births",
    "new ids",
    "truncate",
    "export",
    "import",
    "cut files",
)
MEMBERS = ("create", "retire", "left", "forget", "returned", "hand", "force", "forced twice", "forks of members")
GROUPS = {
    "clients": CLIENTS,
    "series and people": ARRANGING,
    "sessions": SESSIONS,
    "standing sessions": STANDING,
    "network": NETWORK,
    "processes": PROCESSES,
    "Redis": REDIS,
    "storage": STORAGE,
    "membership": MEMBERS,
}
INVARIANTS = range(1, 22)


@dataclass(slots=True)
class Total:
    """The totals of many runs. `seconds` adds the times of all runs, even if the runs were parallel."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    seeds: int = 0
    failed: int = 0

    def add(self, counts: Counter[str], seconds: float, *, failed: bool) -> None:
        self.counts.update(counts)
        self.seconds, self.seeds, self.failed = self.seconds + seconds, self.seeds + 1, self.failed + failed

    @property
    def speed(self) -> float:
        """Return the steps per second of one worker."""
        return self.counts["steps"] / max(self.seconds, 0.001)

    def lines(self) -> Iterator[str]:
        """Yield lines with the operations, the faults by kind, the work done, and the speed."""
        count = self.counts
        yield f"{self.seeds} seeds, {self.failed} failed; {count['steps']} steps, {self.speed:.0f} steps/s of a worker"
        for title, names in GROUPS.items():
            yield f"  {title}: " + ", ".join(f"{name} {count[name]}" for name in names)
        errors = sorted(name for name in count if name.startswith("error "))
        yield "  sessions refused: " + (", ".join(f"{name[6:]} {count[name]}" for name in errors) or "none")
        checks = ", ".join(f"{number}: {count[f'invariant {number}']}" for number in INVARIANTS)
        yield f"  invariants checked: {checks}; all pages against the model {count['whole']} times"


def failure(run: Run) -> Iterator[str]:
    """Yield the lines of a failure: the seed, the error, the steps that lead to the error, and the same run as a
    scenario."""
    yield f"SEED {run.plan.seed} FAILS after {len(run.steps)} steps: {run.error!r}"
    drawn = run.plan
    yield f"  {drawn.servers} servers, {drawn.clients} clients, commit {drawn.commit_mode}, batches of {drawn.batch}"
    yield from (f"  {line}" for line in run.trace)
    yield "As a scenario (what the language cannot say stands as a comment):"
    yield from (f"  {line}" for line in run.script)
