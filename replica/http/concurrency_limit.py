"""A limit on how many things run at the same time, such as open streams or waiting requests."""

from __future__ import annotations

import threading
from types import TracebackType

from bayou.errors import TooMany


class ConcurrencyLimit:
    """A limit of `count_max`. If the limit is reached, `acquire` raises TooMany with `code`; its message calls the
    limited things `what`. Call `release` once for each `acquire`. A `with` block does both."""

    def __init__(self, count_max: int, code: str, what: str) -> None:
        self._count_max = count_max
        self._code = code
        self._what = what
        self._free = threading.BoundedSemaphore(count_max)

    def acquire(self) -> None:
        if not self._free.acquire(blocking=False):
            raise TooMany(
                self._code,
                f"This replica serves at most {self._count_max} {self._what} at a time. Try again when one has ended.",
                count_max=self._count_max,
            )

    def release(self) -> None:
        self._free.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
