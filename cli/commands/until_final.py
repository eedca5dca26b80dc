"""Waits until the result of a write is final: the option --until-final."""

from __future__ import annotations

import time
from collections.abc import Callable

from cli.context import Context
from cli.rest import Json

POLL_S = 0.2


def awaited(context: Context, answer: Json, path: str, seconds: float, is_open: Callable[[Json], bool]) -> Json:
    """Wait until the result of a write is final, and return the latest answer. Wait at most `seconds`.

    The caller gives a first answer. `path` is the path of the GET request for a new answer. `is_open` returns whether
    the result in an answer may still change. If the result is not final in time, tell the user.
    """
    deadline = time.monotonic() + seconds
    while is_open(answer) and (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(POLL_S, left_s))
        answer = context.replica.get(path)
    if is_open(answer):
        context.screen.note(
            f"The write is not final after {seconds} s. Run `status` later to see the state of the write."
        )
    return answer
