"""A bounded number of places for what holds a thread: streams, and requests that wait for a peer."""

from __future__ import annotations

import threading

from bayou.errors import TooMany


class Places:
    """`take` or be refused at once; whoever took one gives it back with `give_back`, once."""

    def __init__(self, count_max: int, code: str, what: str) -> None:
        self._count_max = count_max
        self._code = code
        self._what = what
        self._free = threading.BoundedSemaphore(count_max)

    def take(self) -> None:
        if not self._free.acquire(blocking=False):
            raise TooMany(
                self._code,
                f"All {self._count_max} places for {self._what} are taken. Close one, or try again later.",
                count_max=self._count_max,
            )

    def give_back(self) -> None:
        self._free.release()
