"""Automatic truncation of the log: a thread drops old commits. The setting `log` says which commits stay."""

from __future__ import annotations

import logging
import threading

from redis import RedisError

from replica.clock import Clock, microseconds
from replica.config import LogSettings
from storage.full_state import KEEP_COMMITS, Keep
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
PAUSE_S = 30.0
DAY_US = 86_400_000_000


class LogTruncation:
    """The truncation of one replica's log. Without the setting `keep_committed`, only operators truncate the log, and
    `start` does nothing."""

    def __init__(self, policy: LogSettings, store: Store, clock: Clock) -> None:
        self._policy = policy
        self._store = store
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="truncation", daemon=True)

    def start(self) -> None:
        if self._policy.keep_committed is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def truncate(self) -> int:
        """Drop the commits that neither `keep_committed` nor `keep_for_days` protects. Return how many commits were
        dropped."""
        if self._policy.keep_committed is None:
            return 0
        return self._store.truncate(self._policy.keep_committed, older_than_us=_oldest_us(self._policy, self._clock))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.truncate()
            except RedisError as error:
                LOGGER.warning("the log was not truncated: %s", error)
            self._stopping.wait(PAUSE_S)


def keep_of(policy: LogSettings, clock: Clock) -> Keep:
    """Return which commits a full state includes. These are the commits that a truncation would leave in the log. If
    `keep_committed` is not set, KEEP_COMMITS takes its place."""
    count = KEEP_COMMITS if policy.keep_committed is None else policy.keep_committed
    return Keep(count, lambda: _oldest_us(policy, clock))


def _oldest_us(policy: LogSettings, clock: Clock) -> int:
    """Return the oldest stamp that `keep_for_days` protects."""
    return max(microseconds(clock()) - int(policy.keep_for_days * DAY_US), 0)
