"""Answers large questions one at a time, so that they do not use the whole processor."""

from __future__ import annotations

import threading
from types import TracebackType

from bayou.errors import Away

WAIT_S = 1.0
RETRY_AFTER_S = 5


class OneAtATime:
    """A `with` block that only one thread at a time may enter. Another thread waits for WAIT_S at most, since most
    questions are answered by then. If the block is then still in use, Away `busy` is raised, because a request that
    waits holds a thread. `what` names the question in the message."""

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
