"""Limits how many requests each client may make. A client is a known user, or an address from which unknown users send
requests.

Each replica counts the requests in its own process. A client may send as many requests at once as the limit allows in
BURST_S seconds. After that, the client may send requests at the rate of the limit. A request that uses the processor
for a long time counts as several requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from bayou.errors import TooMany
from replica.config import RequestSettings

BURST_S = 10
REQUEST_S = 0.002  # of the processor; a request that takes longer counts once for each such time
BUCKETS_MAX = 10_000  # beyond it, those that are full are forgotten
USER = "user "  # begins the key of a client that is known by its token


class RateLimit:
    """The limits of one replica. The methods take a client as a text. The text for a known user is the prefix `USER`
    and the name of the user. The text for any other client is an address. An empty text has no limit. `clock` returns
    seconds."""

    def __init__(self, settings: RequestSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # client -> what is left, and when
        self._buckets_max = BUCKETS_MAX

    @property
    def clients(self) -> int:
        """The number of clients that are remembered."""
        return len(self._buckets)

    def check(self, client: str) -> None:
        """Raise TooMany if the client has used up its requests."""
        rate = self._rate(client)
        if not rate:
            return
        with self._lock:
            left = self._left(client, rate)
        if left < 1:
            seconds = math.ceil((1 - left) / rate)
            who = "You have sent" if client.startswith(USER) else "Your address has sent"
            raise TooMany(
                "too_many_requests",
                f"{who} more requests than this replica allows ({rate:g} a second). Try again in {seconds} s.",
                retry_after_s=seconds,
            )

    def charge(self, client: str, processor_s: float) -> None:
        """Count a request that used the processor for `processor_s` seconds."""
        rate = self._rate(client)
        if not rate:
            return
        with self._lock:
            self._buckets[client] = self._left(client, rate) - max(processor_s / REQUEST_S, 1), self._clock()
            if len(self._buckets) > self._buckets_max:
                clients = [found for found in self._buckets if self._left(found, self._rate(found)) < self._full(found)]
                self._buckets = {found: self._buckets[found] for found in clients}
                self._buckets_max = max(BUCKETS_MAX, 2 * len(clients))

    def _rate(self, client: str) -> float:
        if not client:
            return 0
        return self._settings.user_per_s if client.startswith(USER) else self._settings.address_per_s

    def _full(self, client: str) -> float:
        return BURST_S * self._rate(client)

    def _left(self, client: str, rate: float) -> float:
        left, at_s = self._buckets.get(client, (self._full(client), 0.0))
        return min(left + rate * (self._clock() - at_s), self._full(client))
