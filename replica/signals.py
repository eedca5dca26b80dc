"""Being asked to stop: by Ctrl-C, by SIGTERM, by a terminal that hangs up, or from within."""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """From now on no signal interrupts the program half way; each one ends one `wait`. One per process.

    A byte in a pipe, which the interpreter writes the moment a signal comes: a handler of ours would run only between
    two steps of the main thread, so never when the signal comes just before that thread begins to wait.
    """

    def __init__(self) -> None:
        self._heard, self._told = os.pipe()
        os.set_blocking(self._told, False)
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup is meant
                signal.signal(number, lambda *_: None)

    def set(self) -> None:
        """As a signal does; from any thread."""
        os.write(self._told, b"\0")

    def wait(self) -> None:
        os.read(self._heard, 1)
