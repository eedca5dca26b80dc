"""A pseudo-terminal for tests. A test types text, and reads what a program shows."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BOUND_S = 20.0
ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])|\x07")


class Terminal:
    """Runs a program of the project in its own pseudo-terminal. `size` is (number of lines, number of columns)."""

    def __init__(
        self, program: str, *words: str, environment: dict[str, str], cwd: Path, size: tuple[int, int] = (40, 100)
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, size)
        os.set_blocking(self._master, False)
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / program), *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""
        self._read_until = 0

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str) -> None:
        """Read the output until the text appears. Colours and other escape sequences are ignored."""
        deadline = time.monotonic() + BOUND_S
        while not self._found(text):
            assert time.monotonic() < deadline, f"{text!r} did not come; there was: {self._unread()[-2000:]}"
            self._read(deadline - time.monotonic())

    def expect_on_screen(self, text: str) -> None:
        """Redraw the prompt with Ctrl-L until it shows the text.

        Without a redraw, the client sends only the parts of the screen that changed.
        """
        deadline = time.monotonic() + BOUND_S
        while not self._found(text):
            assert time.monotonic() < deadline, f"{text!r} is not shown; there was: {self._unread()[-2000:]}"
            if not self._read(0.1):
                self.type("\x0c")

    def _unread(self) -> str:
        return ESCAPE.sub("", self.raw)[self._read_until :]

    def _found(self, text: str) -> bool:
        at = self._unread().find(text)
        if at < 0:
            return False
        self._read_until += at + len(text)
        return True

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, wait_s))[0]:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            data = b""
        assert data, f"the program has ended; there was: {self._unread()[-2000:]}"
        self.raw += data.decode("utf-8", "replace")
        if b"\x1b[6n" in data:  # it asks for the position of the cursor, and then shows its bottom line
            self.type("\x1b[1;1R")
        return True

    def ended(self) -> int:
        """Wait until the program ends, and return its exit status. Read the output meanwhile: without a reader, the
        program could block."""
        deadline = time.monotonic() + BOUND_S
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.05)[0]:
                try:
                    os.read(self._master, 1 << 16)
                except OSError:
                    break
        return self.process.wait(BOUND_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND_S)
        os.close(self._master)
