"""How long a session may take: long, as a full state may be large; but no peer that has gone quiet holds a place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SILENCE_S_MAX = 60.0  # a session in which nothing comes for so long is cut, and the next one goes on from the vectors
SESSION_S_MAX = 900.0  # so is a longer one; a full state begins anew, so this is what one may take


class Patience:
    """Cancels what it watches when it has not heard of it for SILENCE_S_MAX, or after SESSION_S_MAX in all."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        self._ends = time.monotonic() + SESSION_S_MAX
        self._lock = threading.Lock()
        self._over = False
        self.hear()
        self._wait(SILENCE_S_MAX)

    def hear(self) -> None:
        self._patient_until = time.monotonic() + SILENCE_S_MAX

    def end(self) -> None:
        with self._lock:
            self._over = True
            self._timer.cancel()

    def _wait(self, wait_s: float) -> None:
        with self._lock:
            if not self._over:
                self._timer = threading.Timer(wait_s, self._look)
                self._timer.daemon = True
                self._timer.start()

    def _look(self) -> None:
        left_s = min(self._patient_until, self._ends) - time.monotonic()
        if left_s > 0:
            self._wait(left_s)
        else:
            self._cancel()
