"""The interactive prompt in a pseudo-terminal: what a user types, and what the prompt shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.prompt.completion import split
from tests.support.fake_replica import FakeReplica, serving
from tests.support.terminal import BOUND_S, Terminal

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def replica() -> Iterator[FakeReplica]:
    with serving() as fake:
        yield fake


@pytest.fixture
def terminal(replica: FakeReplica, tmp_path: Path) -> Iterator[Terminal]:
    address = replica.url.removeprefix("http://")
    (tmp_path / "config.yaml").write_text(f"replicas:\n  one: {{rest: {address}}}\n  two: {{rest: 127.0.0.1:1}}\n")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "BAYOU_REPLICA"}},
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TERM": "xterm",
    }
    client = Terminal("client.py", "vish", environment=environment, cwd=tmp_path)
    try:
        client.expect("vish@one>")
        yield client
    finally:
        client.close()


RESERVE = "reserve --room 6.12 --at 2999-12-01 9:00 --for 1h --request r1 --purpose 'two words'\r"


def test_a_reservation_and_the_bottom_line(terminal: Terminal, replica: FakeReplica) -> None:
    terminal.expect_on_screen("this is the primary")
    terminal.type(RESERVE)
    terminal.expect("? tentative  6.12  Sun 2999-12-01 09:00–10:00 UTC  two words")
    terminal.expect_on_screen("1 tentative")
    assert "\x1b[43m\x1b[30m? tentative\x1b[0m" in terminal.raw
    terminal.type("link cut two\r")
    terminal.expect_on_screen("links cut: two")


def test_news_appear_by_themselves(terminal: Terminal, replica: FakeReplica) -> None:
    terminal.type(RESERVE)
    terminal.expect_on_screen("1 tentative")
    replica.commit_all()
    terminal.expect("✓ committed  r1  6.12  Sun 2999-12-01 09:00–10:00  two words")
    terminal.expect_on_screen("0 tentative")


@pytest.mark.slow
def test_where_the_primary_is(terminal: Terminal, replica: FakeReplica) -> None:
    with replica.changed:
        replica.primary_here = False
    terminal.expect_on_screen("primary two reachable")
    with replica.changed:
        replica.peers[0]["reachable"] = False
    terminal.expect_on_screen("primary two unreachable")
    with replica.changed:
        replica.peers[0]["link"] = "cut"
    terminal.expect_on_screen("primary two, link cut")


def test_tab_completes_commands_options_rooms_and_reservations(terminal: Terminal, replica: FakeReplica) -> None:
    terminal.expect_on_screen("this is the primary")  # the prompt has asked the replica, so it knows the rooms
    for typed, shown in [("res\t", "reserve"), (" --ro\t", "reserve --room"), (" 7\t", "reserve --room 7.01")]:
        terminal.type(typed)
        terminal.expect_on_screen(shown)
    terminal.type("\x03")
    terminal.expect("vish@one>")
    terminal.type(RESERVE)
    terminal.expect("? tentative")
    terminal.expect_on_screen("1 tentative")
    terminal.type("cancel \t")
    terminal.expect_on_screen("cancel r1")
    terminal.type("\r")
    terminal.expect("– cancelled  6.12")
    assert replica.reservations["vish/r1"]["state"] == "cancelled"
    terminal.type("s\t")
    terminal.expect_on_screen("the playlist: list the songs")
    terminal.type("\x03")
    terminal.expect("vish@one>")
    for typed, shown in [
        ("status p\t", "status priyal/"),
        ("\x15reserve --at mon\t", "reserve --at monday"),
        ("\x15reserve 6.12+7\t", "reserve 6.12+7.01"),
    ]:
        terminal.type(typed)
        terminal.expect_on_screen(shown)
    terminal.type("\x15use tw\t")
    terminal.expect_on_screen("use two")
    terminal.type("\r")
    terminal.expect("using two at 127.0.0.1:1")
    terminal.expect("vish@two>")
    terminal.expect_on_screen("unreachable")


def test_errors_are_shown_as_sentences(terminal: Terminal) -> None:
    for line, answer in [
        ("nonsense\r", "There is no command 'nonsense'"),
        ("reserve --room 'x\r", "Cannot read that line: no closing quotation"),
        ("reserve --room 6.12 --at soon --for 1h\r", "Cannot read the time 'soon'"),
        ("cancel nothing\r", "[reservation_unknown]"),
        ("rooms --replica two\r", "[replica_unreachable]"),
        ("help nonsense\r", "There is no command 'nonsense'"),
        ("help move\r", "Without --for, --to or a span, the reservation keeps its length."),
        ("help\r", "reserve every event of a calendar file"),
    ]:
        terminal.type(line)
        terminal.expect(answer)
        terminal.expect("vish@one>")
    assert "Traceback" not in terminal.raw


def test_control_c_cancels_the_line_and_control_d_leaves(terminal: Terminal, replica: FakeReplica) -> None:
    terminal.type("commit\x03")
    terminal.expect("vish@one>")
    terminal.type("rooms\r")
    terminal.expect("times are in UTC")
    terminal.expect("vish@one>")
    assert not any(path == "/replica/commit" for _, path, _ in replica.seen)
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_control_c_ends_a_watch_and_not_the_prompt(terminal: Terminal, replica: FakeReplica) -> None:
    terminal.type("watch\r")
    terminal.expect("Ctrl-C ends it")
    os.killpg(terminal.process.pid, signal.SIGINT)
    terminal.expect("vish@one>")
    terminal.type("exit\r")
    assert terminal.ended() == 0


def test_history_is_kept_for_each_user(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("rooms\r")
    terminal.expect("times are in UTC")
    terminal.expect("vish@one>")
    terminal.type("\x04")
    terminal.ended()
    assert "+rooms" in (tmp_path / "state" / "bayou" / "vish.history").read_text()


@pytest.mark.process
def test_without_a_terminal_the_prompt_reads_lines(replica: FakeReplica, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(ROOT / "client.py"), "vish", "--replica", replica.url],
        input="rooms\ncancel nothing\nrooms\n",
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    assert answer.returncode == 1
    assert answer.stdout.count("6.12") == 2
    assert "[reservation_unknown]" in answer.stderr


@pytest.mark.parametrize(
    ("text", "words", "last"),
    [
        ("", [], ""),
        ("res", [], "res"),
        ("cancel ", ["cancel"], ""),
        ("calendar 'UB2.252A (La", ["calendar"], "UB2.252A (La"),
        ("calendar 'a b' 6", ["calendar", "a b"], "6"),
    ],
)
def test_the_word_being_typed(text: str, words: list[str], last: str) -> None:
    assert split(text) == (words, last)
