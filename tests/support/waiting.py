"""Wait for a state with a time limit. Tests use `wait_until` instead of sleeping for a fixed time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

import redis

from cluster.rest import Refused, Silent
from cluster.waiting import wait_until as wait

BOUND_S = 30.0

State = TypeVar("State")


def wait_until(state: Callable[[], State], bound_s: float = BOUND_S) -> State:
    """Call `state` until it returns a true value, and return that value; raise TooLong after `bound_s` seconds.

    A refusal, a replica that does not answer, or an error of Redis counts as not yet true.
    """

    def found() -> State | None:
        with contextlib.suppress(Silent, Refused, redis.RedisError):
            return state()
        return None

    value = wait(found, bound_s, "the state was as the test wants it")
    assert value is not None
    return value
