"""Waits until the result of a write is final: the option --until-final."""

from __future__ import annotations

import time
from collections.abc import Callable

from cli.context import Context
from cli.rest import Json

POLL_S = 0.2


def awaited(context: Context, answer: Json, path: str, seconds: float, is_open: Callable[[Json], bool]) -> Json:
    """Ask for `path` until `is_open(answer)` is false, but for at most `seconds`. Return the latest answer. `answer` is
    the answer that the caller already has.

    If `is_open` is still true after `seconds`, tell the user that the write is not final.
    """
    deadline = time.monotonic() + seconds
    while is_open(answer) and (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(POLL_S, left_s))
        answer = context.replica.get(path)
    if is_open(answer):
        context.screen.note(f"The write is not final after {seconds} s. Run `status` to see when it is.")
    return answer
