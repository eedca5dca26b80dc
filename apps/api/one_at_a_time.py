"""A lock for large requests. A replica answers only one of these requests at a time, because several at a time would
use the whole processor."""

from __future__ import annotations

import threading
from types import TracebackType

from bayou.errors import Away

WAIT_S = 1.0
RETRY_AFTER_S = 5


class OneAtATime:
    """A lock for a `with` block that answers a large request. Another thread waits for the lock for at most WAIT_S.
    Then `with` raises Away `busy`. The wait is short, because each waiting request occupies a thread. `what` names the
    large request in the error message."""

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
