"""The exercises. Each exercise has a script to play, and demands on the result. In exercises 1 and 2, the student
writes the script. In exercises 3 and 4, the script is given, and the student writes rules for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Played:
    """One command of a script, with its results.

    `line` is the command, and `printed` has the lines that the command printed. `servers` maps each client to the
    client's server after the command. `note` is the complaint about the line, or empty.
    """

    line: str
    printed: tuple[str, ...]
    servers: dict[str, str | None]
    note: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one demand of an exercise. If the demand is not met, `instead` says what the check
    found."""

    demand: str
    is_met: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise. The student edits `file`. `script` has the lines to play. If `script` is None, the lines of `file`
    are the script. `find` checks the results of the script, and yields a finding for each demand."""

    file: str
    script: tuple[str, ...] | None
    find: Callable[[Sequence[Played]], Iterator[Finding]]


def _moves_twice(played: Sequence[Played]) -> Iterator[Finding]:
    reserves = [one for one in played if one.line.split()[0] == "reserve"]
    yield Finding("nobody else reserves", len(reserves) == 3, f"there are {len(reserves)} reservations")
    hers = [line.split() for one in played if one.line.split()[1:2] == ["eve"] for line in one.printed]
    told = [words for words in hers if words[0] == "r3" and len(words) == 4]
    shown = [f"{when.partition('T')[2].partition('/')[0] or 'nowhere'} {state}" for _, _, when, state in told]
    seen = list(dict.fromkeys(shown))
    hours = list(dict.fromkeys(place.split()[0] for place in seen))
    is_met = hours == ["09:00", "10:00", "11:00"] and [place for place in seen if "committed" in place] == seen[-1:]
    instead = f"eve was told: {', '.join(seen) or 'nothing'}"
    if hours == ["09:00", "11:00"]:
        instead += ". Both reservations came to her server at once"
    yield Finding("eve is told 9:00, then 10:00, then 11:00, and only the last is committed", is_met, instead)


def _backwards(played: Sequence[Played]) -> Iterator[Finding]:
    reads = [
        (words[1], one.servers.get(words[1]), line.partition(":")[2])
        for one in played
        if (words := one.line.split())[0] == "get" and words[2:] == ["song"]
        for line in one.printed
    ]
    shown = ", ".join(f"{client} read {value} at {server}" for client, server, value in reads) or "nobody read anything"
    demands = [
        ("phone reads new at a", ("phone", "a", "new")),
        ("then tablet reads old at b", ("tablet", "b", "old")),
        ("then b refuses phone, because phone has read new (ERR_DEP)", ("phone", "b", "ERR_DEP")),
        ("in the end phone reads new at b", ("phone", "b", "new")),
    ]
    left = reads
    for demand, read in demands:
        is_met = read in left
        yield Finding(demand, is_met, shown)
        left = left[left.index(read) + 1 :] if is_met else []


def _minutes(text: str) -> str:
    return f"{int(text) // 60}:{int(text) % 60:02}"


def _no_overlap(played: Sequence[Played]) -> Iterator[Finding]:
    for one in played:
        if not one.line.startswith("read "):
            continue
        server = one.servers[one.line.split()[1]]
        meetings = [
            (int(start), int(stop), who) for start, stop, who in (line.split(maxsplit=2) for line in one.printed)
        ]
        shown = ", ".join(f"{who} {_minutes(str(start))}–{_minutes(str(stop))}" for start, stop, who in meetings)
        instead = f"{server} holds: {shown or 'nothing'}"
        overlaps = any(later[0] < earlier[1] for earlier, later in pairwise(meetings))
        yield Finding(f"at {server} no two meetings overlap", not overlaps, instead)
        names = sorted(who for _, _, who in meetings)
        yield Finding(
            f"at {server} vish, priyal and neil have one meeting each", names == ["neil", "priyal", "vish"], instead
        )


def _asks_enough(played: Sequence[Played]) -> Iterator[Finding]:
    wanted = {  # who writes -> whether it must be accepted, and what it is
        "vish": (True, "vish 9:00–10:00: the room is empty"),
        "priyal": (True, "priyal 10:00–11:00: it touches vish's meeting"),
        "neil": (False, "neil 9:30–10:30: it overlaps with both meetings"),
        "ann": (False, "ann 9:15–9:45: it lies within vish's meeting"),
        "eve": (False, "eve 8:00–12:00: it contains both meetings"),
        "bob": (True, "bob 9:00–10:00, in another room"),
    }
    for one in played:
        words = one.line.split()
        if words[0] != "write" or words[1] not in wanted:
            continue
        must, what = wanted[words[1]]
        said = one.printed[0] if one.printed else one.note or "nothing"
        is_done = " updated " in said
        reason = "the check is too wide" if must else "the check is too narrow"
        yield Finding(
            f"{what}: {'booked' if must else 'refused'}", is_done == must, f"the cluster said `{said}`: {reason}"
        )


SERVERS = (
    "joinServer one", "joinServer two", "joinServer three", "joinClient vish one", "joinClient priyal two",
    "joinClient neil three", "define vish examples/meetings/meetings.yaml",
)  # fmt: skip
READ = "SELECT start, stop, who FROM meetings WHERE room = '6.12' AND day = '2026-12-01' ORDER BY start"
EXERCISES = {
    1: Exercise("exercise1.test", None, _moves_twice),
    2: Exercise("exercise2.test", None, _backwards),
    3: Exercise(
        "exercise3.yaml",
        (
            *SERVERS,
            "write vish exercise3.yaml day=2026-12-01 start=570 stop=630",
            "pause",
            "write priyal exercise3.yaml day=2026-12-01 start=540 stop=600",
            "write neil exercise3.yaml day=2026-12-01 start=540 stop=600",
            "start",
            *(f"read {client} {READ}" for client in ("vish", "priyal", "neil")),
        ),
        _no_overlap,
    ),
    4: Exercise(
        "exercise4.yaml",
        (
            *SERVERS,
            *(f"joinClient {client} one" for client in ("ann", "eve", "bob")),
            *(
                f"write {client} exercise4.yaml room={room} day=2026-12-01 start={start} stop={stop}"
                for client, room, start, stop in (
                    ("vish", "6.12", 540, 600),
                    ("priyal", "6.12", 600, 660),
                    ("neil", "6.12", 570, 630),
                    ("ann", "6.12", 555, 585),
                    ("eve", "6.12", 480, 720),
                    ("bob", "7.01", 540, 600),
                )
            ),
        ),
        _asks_enough,
    ),
}
