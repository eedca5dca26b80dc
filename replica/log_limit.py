"""Limits what this program logs, so that requests of strangers cannot fill the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

RECORDS_MAX = 10
WINDOW_S = 60.0


class LogLimit(logging.Filter):
    """Lets each line of code log at most RECORDS_MAX records within WINDOW_S. The first record of the next window says
    how many records were left out. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, int], tuple[float, int]] = {}  # line of code -> end of its window, records

    def filter(self, record: logging.LogRecord) -> bool:
        now, line = self._clock(), (record.pathname, record.lineno)
        with self._lock:
            end, count = self._windows.get(line, (0.0, 0))
            if now < end:
                self._windows[line] = end, count + 1
                return count < RECORDS_MAX
            self._windows[line] = now + WINDOW_S, 1
        if count > RECORDS_MAX:
            left_out = count - RECORDS_MAX
            record.msg, record.args = f"{record.getMessage()} (before this, {left_out} like it were not logged)", ()
        return True
