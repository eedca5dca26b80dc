"""Limits how long a session may take. The limit for a whole session is long, because a full state may be large. The
limit for the time without a frame is shorter, so that a silent peer does not keep a thread busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SILENCE_S_MAX = 60.0  # a session without a frame for so long is cancelled; the next one goes on from the vectors
SESSION_S_MAX = 900.0  # so is a longer session; a full state begins again, so it must fit into one


class SessionTimeout:
    """Cancels a session after SILENCE_S_MAX without a call of `note_frame`, or after SESSION_S_MAX in all."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        self._session_ends_s = time.monotonic() + SESSION_S_MAX
        self._lock = threading.Lock()
        self._ended = False
        self.note_frame()
        self._wait(SILENCE_S_MAX)

    def note_frame(self) -> None:
        """Note that a frame has arrived."""
        self._silence_ends_s = time.monotonic() + SILENCE_S_MAX

    def end(self) -> None:
        """Note that the session is over, so that it is not cancelled any more."""
        with self._lock:
            self._ended = True
            self._timer.cancel()

    def _wait(self, wait_s: float) -> None:
        with self._lock:
            if not self._ended:
                self._timer = threading.Timer(wait_s, self._check)
                self._timer.daemon = True
                self._timer.start()

    def _check(self) -> None:
        left_s = min(self._silence_ends_s, self._session_ends_s) - time.monotonic()
        if left_s > 0:
            self._wait(left_s)
        else:
            self._cancel()
