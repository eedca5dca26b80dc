"""Functions that convert one word of the command line to a value. They raise ArgumentTypeError if the word is wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import timedelta

from bayou.names import NAME, UNREACHABLE
from cli.client_session import GUARANTEES
from cli.problems import Usage
from cli.times import read_length

REPEATS = {
    "daily": "FREQ=DAILY",
    "weekdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "weekly": "FREQ=WEEKLY",
    "monthly": "FREQ=MONTHLY",
}
MERGES = ("first_free_alternative", "nearest_free_time", "another_room", "give_up")
CALENDAR_DAYS_MAX = 62
COUNT_MAX = 10_000
WAIT_S_MAX = 30
WAIT_FINAL_S_MAX = 3600
VOLUME_MIB_MAX = 64
KEEP_MAX = 10**12


def seconds(text: str) -> int:
    """Read a number of seconds, such as `30s` or `30`."""
    return number(1, WAIT_FINAL_S_MAX)(text.removesuffix("s"))


def number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 13 or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return read


def name(what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not NAME.fullmatch(text):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a {what}: use 1 to 64 of these: A-Z a-z 0-9 . _ @ + - (the names `.` and `..` are not"
                " allowed)"
            )
        return text

    return read


def song(text: str) -> str:
    if text in {"", *UNREACHABLE}:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a song; choose another name")
    return text


def guarantees(text: str) -> str:
    names = {"ALL": list(GUARANTEES), "NONE": []}.get(text.upper(), text.upper().split(","))
    if unknown := [name for name in names if name not in GUARANTEES]:
        raise argparse.ArgumentTypeError(f"there is no guarantee {unknown[0]!r}; choose from {', '.join(GUARANTEES)}")
    return ",".join(names)


def length(text: str) -> timedelta:
    try:
        return read_length(text)
    except Usage as problem:
        raise argparse.ArgumentTypeError(problem.message.rstrip(".")) from problem


def merge(text: str) -> str:
    name = text.replace("-", "_")
    if name not in MERGES:
        raise argparse.ArgumentTypeError(f"there is no merge procedure {text!r}; choose from {', '.join(MERGES)}")
    return name


def repeat(text: str) -> str:
    if text not in REPEATS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(REPEATS)}; --rule takes any other rule")
    return text


def part(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a part; write K/N with K from 1 to N, such as 2/3")
    return int(match[1]), int(match[2])
