"""Limits how many streams or requests run at the same time. There is one limit for all clients together, and one limit
for each client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bayou.errors import TooMany
from replica.http.rate_limit import USER


class ConcurrencyLimit:
    """Limits how many uses of one kind, such as event streams, run at the same time.

    count_max    the limit for all clients together
    address_max  the limit for each address; 0 means `count_max`
    user_max     the limit for each known user; 0 means `count_max`
    code         the code of the error TooMany that `acquire` raises if a limit is reached
    what         the name of the uses in the error message, such as `streams of events`

    Call `release` once for each call of `acquire`. Or use `holding`, which calls both.
    """

    def __init__(self, count_max: int, code: str, what: str, *, address_max: int = 0, user_max: int = 0) -> None:
        self._count_max = count_max
        self._address_max = address_max or count_max
        self._user_max = user_max or count_max
        self._code = code
        self._what = what
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def acquire(self, client: str) -> None:
        """Add one to the count of a client. `client` has the same form as in ClientSession. Raises TooMany, and adds
        nothing, if a limit is reached."""
        of_one = self._user_max if client.startswith(USER) else self._address_max if client else self._count_max
        with self._lock:
            is_full = self._held.total() >= self._count_max
            if not is_full and self._held[client] < of_one:
                self._held[client] += 1
                return
        count_max, whose = (self._count_max, "") if is_full else (of_one, " for you")
        raise TooMany(
            self._code,
            f"This replica allows at most {count_max} {self._what}{whose} at the same time. Try again when one has"
            " ended.",
            count_max=count_max,
        )

    def release(self, client: str) -> None:
        with self._lock:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]

    @contextmanager
    def holding(self, client: str) -> Iterator[None]:
        self.acquire(client)
        try:
            yield
        finally:
            self.release(client)
