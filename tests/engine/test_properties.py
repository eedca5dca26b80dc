"""The invariants are true after each of many random steps: requests, commits and sessions. Sessions may stop halfway,
or run at the same time."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from bayou import sender
from bayou.write import Draft
from tests.support.engine_harness import Cluster, Meeting
from tests.support.invariants import Checker, Look
from tests.support.toy import draft, take

pytestmark = pytest.mark.slow

STORES = 3
SESSIONS_MAX = 3  # open at once; when another one begins, the oldest is cut


def drafted(random: Random) -> Draft:
    """Return a random draft of a client. There are few pages and request ids, so drafts often conflict."""
    request, field = random.choice("abcdefghij"), random.choice("xy")
    slots = [(random.choice(["day:1", "day:2"]), random.choice(["slot 1", "slot 2"])) for _ in range(3)]
    pages = random.sample(["day:1", "p", "q", "r"], random.choice([1, 1, 2, 3]))
    match random.choice(["take", "take", "give", "note", "note", "note", "note", "set", "wipe", "fail", "fail_later"]):
        case "take":
            return take(request, *slots[: random.randint(1, 3)])
        case "give":
            return draft("give", request, [slots[0][0]], page=slots[0][0], field=slots[0][1])
        case "note":
            return draft("note", request, pages)
        case "set":
            return draft("set", request, ["p"], fields=[[field, request]])
        case "wipe":
            return draft("wipe", request, pages, page=pages[-1])
        case "fail":
            return draft("fail", request, ["p"], unless=field)
    return draft("fail_later", request, ["p", "q"], field=field)


def step_of(random: Random) -> tuple[str, int, Any]:
    """Return a random step: its kind, the number of a replica or session, and the arguments of the step."""
    who, other = random.sample(range(STORES), 2)
    match random.choice(["accept", "accept", "accept", "meet", "open", "frames", "frames", "commit"]):
        case "accept":  # the clock jumps, so that a write may have any place in the order
            return "accept", who, (drafted(random), random.randint(-5, 5) * 1_000_000 + 1)
        case "meet":
            return "meet", who, other
        case "open":
            return "open", who, other
        case "frames":
            return "frames", random.randrange(SESSIONS_MAX), random.choices([0, 1], k=random.randint(1, 8))
    return "commit", 0, None


class World:
    """A cluster and its sessions. The method `step` carries out one step of the test."""

    def __init__(self, commit_mode: str) -> None:
        self.cluster = Cluster(STORES, commit_mode=commit_mode)
        self.checker = Checker(self.cluster)
        self.meetings: list[Meeting] = []

    def step(self, kind: str, first: int, second: Any) -> None:
        stores = self.cluster.replicas
        match kind:
            case "accept":
                stores[first].put(*second)
            case "meet" | "open":
                meeting = Meeting(stores[first], stores[second])
                if kind == "meet":
                    meeting.run()
                else:
                    self.meetings = [*self.meetings, meeting][-SESSIONS_MAX:]
            case "frames" if first < len(self.meetings):
                for end in second:
                    self.meetings[first].step(end)
            case "commit":
                stores[0].commit()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["auto", "manual"]), st.randoms(use_true_random=True))
def test_the_invariants_hold_after_every_step(commit_mode: str, random: Random) -> None:
    """Invariants 1 to 6, 8, 9, 10 and 13 of docs/design.md are true after each step. At the end, when all links work,
    all replicas are equal (invariant 14).

    Python's random generator chooses the steps. If hypothesis chose the steps, fewer sessions would run at the same
    time.
    """
    with patch.object(sender, "BATCH_COUNT_MAX", 2):
        world = World(commit_mode)
        for _ in range(25):
            step = step_of(random)
            note(str(step))
            world.step(*step)
            world.checker.check()
        world.cluster.heal()
        world.cluster.replicas[0].commit()
        world.cluster.heal()
    world.checker.check()
    looks = [Look(replica) for replica in world.cluster.replicas]
    event(f"{min(looks[0].state.csn, 5)} or more commits")
    assert all(look.shared == looks[0].shared for look in looks)
    assert [look.state.tentative for look in looks] == [0] * STORES
    assert all(look.tentative_pages == look.committed_pages for look in looks)
    for replica in (*world.cluster.replicas, world.checker.fresh):
        replica.forget()
