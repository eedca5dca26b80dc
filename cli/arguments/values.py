"""What single words of a command may be: a user, a length, a part, ...; argparse shows what is wrong with one."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from bayou.names import NAME
from cli.problems import Usage
from cli.times import read_length

REPEATS = ("daily", "weekly", "monthly")
MERGES = ("first_free_alternative", "nearest_free_time", "another_room", "give_up")
CALENDAR_DAYS_MAX = 62
GUARANTEES = ("RYW", "MR", "WFR", "MW")
WAIT_S_MAX = 30


def seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= WAIT_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to {WAIT_S_MAX}")
    return int(text)


def guarantees(text: str) -> str:
    names = {"ALL": GUARANTEES, "NONE": ()}.get(text.upper(), tuple(text.upper().split(",")))
    if unknown := [name for name in names if name not in GUARANTEES]:
        raise argparse.ArgumentTypeError(f"there is no guarantee {unknown[0]!r}; there are {', '.join(GUARANTEES)}")
    return ",".join(names)


def keep(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of writes")
    return int(text)


def volume(text: str) -> int:
    if not text.isdecimal() or len(text) > 2 or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 64")
    return int(text)


def user(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no user name: 1 to 64 of A-Z a-z 0-9 . _ @ + -")
    return text


def request(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no request id: 1 to 64 of A-Z a-z 0-9 . _ @ + -")
    return text


def song(text: str) -> str:
    if text in {"", ".", ".."}:  # an address cannot hold these
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a song")
    return text


def length(text: str) -> timedelta:
    try:
        return read_length(text)
    except Usage as problem:
        raise argparse.ArgumentTypeError(problem.message.rstrip(".")) from problem


def merge(text: str) -> str:
    name = text.replace("-", "_")
    if name not in MERGES:
        raise argparse.ArgumentTypeError(f"there is no merge procedure {text!r}; there are {', '.join(MERGES)}")
    return name


def repeat(text: str) -> str:
    if text not in REPEATS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(REPEATS)}; --rule takes any other rule")
    return text


def days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= CALENDAR_DAYS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {CALENDAR_DAYS_MAX}")
    return int(text)


def count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 10000")
    return int(text)


def part(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; write K/N with K from 1 to N, such as 2/3")
    return int(match[1]), int(match[2])
