"""Which replicas have joined the cluster since config.yaml was written, as those that answer know them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cli.problems import UNREACHABLE, Problem, Unreachable
from cli.replica_addresses import Place
from cli.rest import Json, Replica

GLANCE_TIMEOUT_S = 2.0  # for a look at a replica that may be down

At = Callable[[Place], Replica]


def glance(at: At, place: Place) -> Json | None:
    """The replica's state; None where nothing like a replica answers soon."""
    replica = at(place)
    try:
        return replica.get("/replica", timeout_s=GLANCE_TIMEOUT_S)
    except Problem as problem:
        if isinstance(problem, Unreachable) or problem.status == UNREACHABLE or problem.code == "not_a_replica":
            return None
        raise
    finally:
        replica.close()


def glances(at: At, places: Sequence[Place]) -> list[Json | None]:
    """All at a time, in the same order."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda place: glance(at, place), places))


def joined(known: Iterable[Place], answers: Iterable[Json | None]) -> list[Place]:
    """The replicas of these answers that are not known yet."""
    labels = {place.label for place in known}
    members = [member for answer in answers if answer for member in answer.get("members", [])]
    found = {str(member["label"]): f"http://{member['rest']}" for member in members}
    return [Place(label, url) for label, url in found.items() if label not in labels]
