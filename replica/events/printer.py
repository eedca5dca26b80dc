"""Writes lines to a terminal in its own thread. So a terminal that is paused (Ctrl-S) or closed does not block the
replica."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

LINES_WAITING_MAX = 10_000  # further lines are dropped: nobody has read for a long time
CLOSE_TIMEOUT_S = 5.0


class Printer:
    """Prints lines in a thread. A call `printer(line)` returns at once; the line must end in a newline. `close` waits
    until the remaining lines are printed, but gives up after some seconds."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._waiting: queue.Queue[str | None] = queue.Queue(LINES_WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            return

    def close(self) -> None:
        try:
            self._waiting.put(None, timeout=CLOSE_TIMEOUT_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        gone = False
        while (line := self._waiting.get()) is not None:
            if gone:
                continue
            try:
                self._write(line)
            except (OSError, ValueError):  # the pipe is closed; go on to empty the queue
                gone = True
