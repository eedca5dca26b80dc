"""Shows texts one after another on a terminal. One key shows the next text, and another key shows the previous text.
Without a terminal, all texts are printed at once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence

from termcolor import colored

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
SIZE_OF_NO_TERMINAL = (100, 24)
WIDTH_MAX = 120
NEXT = {"\r", "\n", " ", "\x1b[C", "\x1b[B", "\x1b[6~"}  # Enter, the space bar, →, ↓, Page Down
BACK = {"b", "\x7f", "\x08", "\x1b[D", "\x1b[A", "\x1b[5~"}  # b, Backspace, ←, ↑, Page Up
END = {"q", "\x04", ""}  # q, Ctrl-D, the terminal is gone
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def stops() -> bool:
    """Return whether `show` waits for a key after each text. It waits if both input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def width() -> int:
    """Return how many columns a text may have."""
    return min(shutil.get_terminal_size(SIZE_OF_NO_TERMINAL).columns, WIDTH_MAX)


def height() -> int | None:
    """Return how many lines of a text the terminal can show at once. Return None if there is no terminal."""
    return shutil.get_terminal_size(SIZE_OF_NO_TERMINAL).lines - 1 if stops() else None  # the last has the keys


def show(texts: Iterator[str]) -> None:
    """Show the texts one after another. The user may go back, and may stop before the last text.

    Each text is taken from `texts` when it is first shown. No text has a newline at its end.
    """
    if not stops():
        for number, text in enumerate(texts):
            print(f"\n{text}" if number else text)
        return
    shown: list[str] = []
    at = 0
    with _reading_keys() as terminal:
        while True:
            if at == len(shown):
                following = next(texts, None)
                if following is None:
                    break
                shown.append(following)
            print(f"{CLEAR}{shown[at]}\n{_keys(shown[at], is_first=at == 0)}", end="", flush=True)
            key = _key(terminal)
            if key in END:
                break
            at = max(0, at - 1) if key in BACK else at + 1
    print()


def lines_of(text: Sequence[str]) -> int:
    """Return the number of lines that a text takes on the terminal. A line that is wider than the terminal takes
    several lines."""
    columns = shutil.get_terminal_size(SIZE_OF_NO_TERMINAL).columns
    lengths = (len(_ESCAPE.sub("", line)) for line in text)
    return sum(max(1, -(-length // columns)) for length in lengths)


def _keys(text: str, *, is_first: bool) -> str:
    keys = "⏎ on" if is_first else "⏎ on   ← back"
    room, needed = shutil.get_terminal_size(SIZE_OF_NO_TERMINAL), lines_of(text.split("\n")) + 1
    if needed > room.lines:
        warning = colored(f"too high: this needs {needed} lines, the terminal has {room.lines}", "red")
        return f"{colored(f'{keys}   q end   ', attrs=['dark'])}{warning} "
    return colored(f"{keys}   q end ", attrs=["dark"])


@contextlib.contextmanager
def _reading_keys() -> Iterator[int]:
    """Set the terminal to send each key at once, and not to show the key, until the block ends. Yield the file
    descriptor of the terminal."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _key(terminal: int) -> str:
    """Wait for a key of NEXT, BACK or END. Return the characters that the terminal sends for this key. Ctrl-C still
    sends a signal."""
    while True:
        pressed = os.read(terminal, 16).decode(errors="replace")
        key = pressed if pressed.startswith("\x1b") else pressed[:1]
        if key in NEXT | BACK | END:
            return key
