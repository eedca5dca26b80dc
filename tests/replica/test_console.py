"""The lines in a replica's terminal, with and without colours."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bayou.application import Change
from cli.output.screen import STATES
from replica.events.console import Console
from replica.events.describe import Describer
from replica.events.expand import expand, summarise
from replica.events.marks import MARKS
from replica.events.printer import LINES_WAITING_MAX, Printer
from tests.support.replica_harness import application, write

DESCRIBER = Describer([application()])


class Terminal:
    """A console whose lines the test can read."""

    def __init__(self, *, color: bool = False, timezone: str = "UTC") -> None:
        self.lines: list[str] = []
        self._console = Console("one", ["one", "two", "three"], timezone, self._write, color)

    def show(self, entry: Mapping[str, Any], *held: Any, **summed: Any) -> list[str]:
        """Print one transaction, and return the lines of the terminal without the time and the label of the replica."""
        self.lines.clear()
        transaction = expand("1796112000000-0", entry, {w.id: w for w in held}, DESCRIBER, "one")
        self._console.show(replace(transaction, **summed))
        return [line.partition("  ")[2] for line in self.lines]

    def _write(self, text: str) -> None:
        assert text.endswith("\n")
        self.lines += text.splitlines()


VISH, PRIYAL = write(5), write(6, user="priyal")


def test_the_client_shows_states_with_the_same_marks() -> None:
    assert {state: STATES[state] for state in MARKS} == MARKS


def one(kind: str, now: str, found: Any = VISH, was: str | None = None, csn: int | None = None) -> dict[str, Any]:
    return {"kind": kind, "from": "", "changes": [Change(found.id, csn, was, now)]}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (one("accepted", "updated 09"), "accepted ? vish 6.12 2026-12-01 09:00–10:00"),
        (one("accepted", "merged 11"), "accepted ? vish 6.12 2026-12-01 11:00–12:00 (merged)"),
        (one("accepted", "updated 09", csn=7), "accepted ✓ #7 vish 6.12 2026-12-01 09:00–10:00"),
        (one("commit", "updated 09", was="updated 09", csn=7), "committed ✓ #7 vish 6.12 2026-12-01 09:00–10:00"),
        (one("received", "updated 10", PRIYAL, was="updated 09"), "moved ? priyal 6.12 09:00 → 10:00"),
        (
            one("received", "rejected no_alternative", PRIYAL, was="updated 09"),
            "rejected ✗ priyal 6.12 2026-12-01 09:00–10:00",
        ),
        (one("commit", "rejected no_alternative", was="rejected no_alternative", csn=7), "committed ✗ #7 vish r5"),
        (one("commit", "duplicate", was="duplicate", csn=7), "committed – #7 vish r5 (duplicate)"),
        ({"kind": "link", "peer": "two", "up": False}, "link to two down"),
        ({"kind": "link", "peer": "two", "up": True}, "link to two up"),
        ({"kind": "pace", "pace": "manual"}, "manual pace"),
        ({"kind": "session", "peer": "two", "sent": 3, "received": 2}, "session with two: sent 3, received 2"),
    ],
)
def test_a_line_says_what_happened(entry: dict[str, Any], line: str) -> None:
    assert Terminal().show(entry, VISH, PRIYAL) == [line]


def test_a_move_to_another_day_or_from_nothing_is_shown_in_full() -> None:
    entry = one("received", "updated 09", was="rejected no_alternative")
    assert Terminal().show(entry, VISH) == ["moved ? vish nothing → 6.12 2026-12-01 09:00–10:00"]


def test_a_batch_is_one_line_and_a_line_for_each_changed_outcome() -> None:
    changes = [Change(write(stamp).id, None, None, "updated 09") for stamp in range(20, 32)]
    changes.append(Change(PRIYAL.id, None, "updated 09", "updated 10"))
    entry = {"kind": "received", "from": "two", "rolled_back": 3, "replayed": 3, "changes": changes}
    assert Terminal().show(entry, PRIYAL) == [
        "received 12 from two (3 rolled back, 3 replayed)",
        "moved ? priyal 6.12 09:00 → 10:00",
    ]


def test_a_large_batch_is_summarised() -> None:
    changes = [Change(write(stamp).id, stamp, None, "updated 09") for stamp in range(20, 90)]
    changes.append(Change(PRIYAL.id, 90, "updated 09", "updated 10"))
    entry, summed, csns = summarise({"kind": "received", "from": "two", "changes": changes})
    assert entry["changes"] == changes[-1:]
    assert Terminal().show(entry, PRIYAL, summed=summed, csns=csns) == [
        "received 70 from two",
        "moved ✓ #90 priyal 6.12 09:00 → 10:00",
        "committed ✓ #20–#90 71 writes",
    ]


def test_many_events_of_one_kind_are_counted() -> None:
    changes = [Change(write(stamp).id, stamp, "updated 09", "updated 09") for stamp in range(20, 40)]
    held = [write(stamp) for stamp in range(20, 40)]
    assert Terminal().show({"kind": "commit", "changes": changes}, *held) == ["committed ✓ #20–#39 20 writes"]


def test_times_are_in_the_configured_time_zone() -> None:
    terminal = Terminal(timezone="Asia/Kolkata")
    assert terminal.show(one("accepted", "updated 09"), VISH) == ["accepted ? vish 6.12 2026-12-01 14:30–15:30"]
    assert terminal.lines[0].startswith("13:30:00 one  ")


def test_empty_sessions_are_not_shown_and_an_error_is_shown_once() -> None:
    terminal = Terminal()

    def session(error: str | None) -> list[str]:
        return terminal.show({"kind": "session", "peer": "two", "sent": 0, "received": 0, "error": error})

    assert session(None) == []
    assert session("two cannot be reached") == ["no session with two: two cannot be reached"]
    assert session("two cannot be reached") == []
    assert session("two is busy") == ["no session with two: two is busy"]
    assert session(None) == ["session with two: reachable again"]
    assert session(None) == []


def test_states_and_replicas_have_colours() -> None:
    terminal = Terminal(color=True)
    (line,) = terminal.show(one("accepted", "updated 09"), VISH)
    assert "\x1b[43m\x1b[30m?\x1b[0m" in line
    assert "\x1b[36mone\x1b[0m" in terminal.lines[0]
    (line,) = terminal.show(one("commit", "updated 09", was="updated 09", csn=7), VISH)
    assert "\x1b[32m✓\x1b[0m" in line
    (line,) = terminal.show(one("commit", "rejected no_alternative", csn=7, was="updated 09"), VISH)[:1]
    assert "\x1b[31m✗\x1b[0m" in line
    (line,) = terminal.show({"kind": "link", "peer": "two", "up": False})
    assert "\x1b[35mtwo\x1b[0m" in line


def test_what_an_operator_should_see_is_bold() -> None:
    """Bold text keeps the text colour of the terminal. Yellow text is hard to read on a light terminal."""
    terminal = Terminal(color=True)
    assert terminal.show({"kind": "pace", "pace": "manual"}) == ["\x1b[1mmanual pace\x1b[0m"]
    found = member("primary", label="two", to="two~x", epoch=1)
    line = terminal.show({**one("received", "updated", found, csn=5), "from": "two"}, found)[1]
    assert line == "\x1b[1mprimary is now\x1b[0m \x1b[35mtwo\x1b[0m (epoch 1)"


def test_text_of_a_peer_cannot_control_the_terminal() -> None:
    found = write(5, user="a\x1b[2Jb\n")
    (line,) = Terminal().show(one("accepted", "updated 09"), found)
    assert line == "accepted ? a�[2Jb� 6.12 2026-12-01 09:00–10:00"


def test_a_paused_terminal_blocks_nothing() -> None:
    paused, written = threading.Event(), []

    def write_when_resumed(line: str) -> None:
        paused.wait(20)
        written.append(line)

    printer = Printer(write_when_resumed)
    for number in range(LINES_WAITING_MAX + 5):
        printer(f"{number}\n")
    assert written == []
    paused.set()
    printer.close()
    assert written[:2] == ["0\n", "1\n"]
    assert len(written) in {LINES_WAITING_MAX, LINES_WAITING_MAX + 1}


def test_a_closed_terminal_stops_nothing() -> None:
    tried = []

    def write_to_nobody(line: str) -> None:
        tried.append(line)
        raise BrokenPipeError

    printer = Printer(write_to_nobody)
    printer("one\n")
    printer("two\n")
    printer.close()
    assert tried == ["one\n"]


def member(op: str, stamp: int = 7, **args: Any) -> Any:
    return write(stamp, app="members/1", op=op, user="bayou", args=args)


@pytest.mark.parametrize(
    ("found", "csn", "lines"),
    [
        (member("create", label="four", through="two"), None, ["four joined through two"]),
        (member("create", label="four", through="two"), 5, ["four joined through two"]),
        (member("retire", label="three"), None, ["three retired"]),
        (member("primary", label="two", to="two~x"), None, []),
        (member("primary", label="two", to="two~x"), 5, ["primary is now two"]),
        (member("primary", label="two", to="two~x", epoch=1), 5, ["primary is now two (epoch 1)"]),
    ],
)
def test_membership_writes(found: Any, csn: int | None, lines: list[str]) -> None:
    entry = one("received", "updated", found, csn=csn)
    assert Terminal().show({**entry, "from": "two"}, found) == ["received 1 from two", *lines]


def test_writes_that_were_made_again_are_shown_one_by_one() -> None:
    assert Terminal().show(one("resubmitted", "updated 09"), VISH) == ["made again ? vish 6.12 2026-12-01 09:00–10:00"]
    assert Terminal().show(one("resubmitted", "rejected no_alternative"), VISH) == ["made again ✗ vish r5"]


def test_revoked_commits_are_shown_in_red() -> None:
    lost = f"{9:016}@one~aaaaaa"
    entry = {"kind": "revoked", "peer": "two", "revoked": [VISH.id], "lost": [lost], "lost_pages": ["p\x1b"]}
    assert Terminal().show(entry, VISH) == [
        "installed the full state of two",
        "revoked ✗ vish r5 (committed before, tentative again)",
        f"revoked ✗ {lost} (lost)",
        "revoked ✗ commits that are no longer in the log, on p�",
    ]
    assert Terminal().show({"kind": "revoked", "peer": "two"}) == ["installed the full state of two"]
    assert "\x1b[31m" in Terminal(color=True).show(entry, VISH)[1]
