"""Runs a session between two stores in one process, without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from apps import APPLICATIONS
from bayou.anti_entropy import Session
from bayou.frames import Frame
from replica.clock import microseconds, utc_now
from storage.scripts import rules_by_tag
from storage.store import Store

RULES = rules_by_tag(APPLICATIONS)


def meet(initiator: Store, responder: Store, carry: Callable[[Frame], Frame] = lambda frame: frame) -> int:
    """Run one session, and return the number of its frames. Each frame passes through `carry`, and the result is
    delivered."""
    ends = (
        Session(initiator, RULES, initiator=True, clock_us=_now_us),
        Session(responder, RULES, initiator=False, clock_us=_now_us),
    )
    in_flight = deque((1 - end, frame) for end in (0, 1) for frame in ends[end].start())
    frames = 0
    while in_flight:
        to, frame = in_flight.popleft()
        frames += 1
        in_flight.extend((1 - to, answer) for answer in ends[to].receive(carry(frame)))
    assert all(end.finished and end.report.error is None for end in ends), [end.report for end in ends]
    return frames


def _now_us() -> int:
    return microseconds(utc_now())
