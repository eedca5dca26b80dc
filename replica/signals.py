"""Receives requests to stop. A request comes from Ctrl-C, SIGTERM, a terminal that closes, or this program."""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """Receives requests to stop. Once an object of this class exists, a signal to stop no longer interrupts the
    program: each signal ends one call of `wait`. Make only one object in a process.

    For each signal, the interpreter at once writes a byte to a pipe. `wait` reads the byte. A Python signal handler
    would not be enough: it runs only between two steps of the main thread. It would not run for a signal that arrives
    just before the main thread begins to wait.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # unless started with nohup
                signal.signal(number, lambda *_: None)

    def set(self) -> None:
        """Request a stop, as a signal does. Any thread may call this method."""
        os.write(self._write_end, b"\0")

    def wait(self) -> None:
        os.read(self._read_end, 1)
