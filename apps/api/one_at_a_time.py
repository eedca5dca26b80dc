"""Answers large questions one at a time, so that they do not use the whole processor."""

from __future__ import annotations

import threading
from types import TracebackType

from bayou.errors import Away

WAIT_S = 1.0
RETRY_AFTER_S = 5


class OneAtATime:
    """A `with` block that only one thread at a time may enter, to answer a large question. Another thread waits for at
    most WAIT_S; by then, most questions are answered. If the block is still in use after that time, Away `busy` is
    raised, because a waiting request occupies a thread. `what` is the name of the question in the error message."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=WAIT_S):
            message = f"This replica is answering another request for {self._what}. Try again in {RETRY_AFTER_S} s."
            raise Away("busy", message, retry_after_s=RETRY_AFTER_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
