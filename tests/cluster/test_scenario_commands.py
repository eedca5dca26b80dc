"""Impossible, ambiguous and repeated commands of the scenario language: each command's error message and effect."""

from __future__ import annotations

import pytest

from cluster.drivers.simulated import SimulatedDriver
from tests.support.scenario_harness import run_script

BEFORE = "joinServer 0\njoinServer 1\njoinClient c 0\njoinClient d 1\nput c a 1\n"
SLOT = "2026-12-01T09:00/10:00"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("joinServer 0", "server 0 is already running"),
        ("crash 0\njoinServer 0", "server 0 has crashed; recover it"),
        ("crash 0\ncrash 1\njoinServer 2", "2 cannot be created, because no server is running; recover a server first"),
        ("putBack 1", "there is no copy of 1; use copyFolder first"),
        ("retireServer 7", "there is no server 7"),
        ("retireServer c", "there is no server c"),
        ("crash 0\nretireServer 0", "server 0 has crashed; recover it first"),
        (
            "breakConnection 0 1\nretireServer 0",
            "server 0 reaches no other server, so it cannot retire; use recover or restoreConnection first",
        ),
        (
            "crash 1\nretireServer 0",
            "server 0 reaches no other server, so it cannot retire; use recover or restoreConnection first",
        ),
        ("joinClient e 7", "there is no server 7"),
        ("breakConnection 0 7", "there is no server or client 7"),
        ("breakConnection 0 0", "there can be no link between 0 and 0; give two servers, or a client and a server"),
        ("restoreConnection c d", "there can be no link between c and d; give two servers, or a client and a server"),
        ("put e a 2", "there is no client e"),
        ("breakConnection c 0\nput c a 2", "client c has no link to a server; use restoreConnection"),
        ("crash 0\nput c a 2", "server 0 of client c has crashed; recover the server first"),
        ("retireServer 0\nget c a", "client c has no link to a server; use restoreConnection"),
        ("printLog 7", "there is no server 7"),
        ("crash 1\nprintLog 1", "server 1 has crashed; recover it first"),
        ("printVectors 7", "there is no server 7"),
        ("calendar 7 6.12 2026-12-01", "there is no server 7"),
        ("calendar 0 6.12 tomorrow", "tomorrow is not a date; write it like 2026-12-01"),
        ("calendar 0 6.12 2026-12-01 final", "usage: calendar SERVER ROOM DATE [committed]"),
        ("reserve c 6.12 tomorrow", "tomorrow is not a time; write it like 2026-12-01T09:00/10:00 (UTC)"),
        ("recover 0", "server 0 is already running"),
        ("recover 7", "there is no server 7"),
        ("crash 7", "there is no server 7"),
        ("promote 0", "server 0 is already the primary"),
        ("promote 0 force", "server 0 is already the primary"),
        ("promote 1 now", "usage: promote ID [force]"),
        ("crash 0\npromote 1", "the primary is not running; add `force` to promote without it"),
        ("breakConnection 0 1\npromote 1", "the link from 1 to the primary 0 is cut; use restoreConnection first"),
        ("clock 7 +2h", "there is no server 7"),
        (
            "truncate 0 all",
            "all cannot be used as the number of writes to keep; give a whole number from 0 to 1000000000",
        ),
        ("export 0 file to 1", "usage: export ID FILE [from ID]"),
        ("import 0 no/such/file", "no/such/file cannot be read: No such file or directory"),
        ("export 0 no/such/file", "no/such/file cannot be written: No such file or directory"),
        ("stabilise", "there is no command stabilise. Did you mean stabilize?"),
        ("pause\nstabilize", "anti-entropy is paused, so nothing is exchanged; use start first"),
    ],
)
def test_an_impossible_line_is_noted_and_skipped(simulation: SimulatedDriver, lines: str, said: str) -> None:
    """An impossible line prints no result, and the script continues."""
    result = run_script(simulation, f"{BEFORE}{lines}\n")
    assert result.notes == [f"line {5 + len(lines.splitlines())}: {said}"]
    assert (result.printed, result.failures) == ([], 0)


def test_only_the_primary_commits_by_hand(simulation: SimulatedDriver) -> None:
    result = run_script(simulation, BEFORE + "commit 0\ncommit 1")
    (note,) = result.notes
    assert note.startswith("line 7: ")
    assert note.endswith("[not_primary]")


@pytest.mark.parametrize("ends", ["c 0", "0 c"])
def test_a_client_has_one_link(simulation: SimulatedDriver, ends: str) -> None:
    """restoreConnection moves the client to the server of the new link, even if the client's old link works.
    breakConnection has no effect if the client does not have the named link."""
    result = run_script(
        simulation,
        f"{BEFORE}pause\nput d b 2\nrestoreConnection c 1\nget c b\nbreakConnection {ends}\nget c b\n"
        f"restoreConnection {ends}\nget c a\nbreakConnection {ends}\nbreakConnection {ends}\nget c a",
    )
    assert result.printed[:2] == ["b:2", "b:2"]
    assert result.notes[-1:] == ["line 16: client c has no link to a server; use restoreConnection"]


def test_an_id_may_be_a_server_and_a_client(simulation: SimulatedDriver) -> None:
    """An id may name both a server and a client. A link between two such ids connects the two servers.

    A link from such an id to itself connects the client of this id to the server of this id.
    """
    result = run_script(
        simulation,
        "joinServer 0\njoinServer 1\njoinClient 0 0\njoinClient 1 1\n"
        "breakConnection 0 1\nput 0 a 1\nget 1 a\nrestoreConnection 1 0\nget 1 a\nbreakConnection 1 1\nget 1 a",
    )
    assert result.printed == ["a:ERR_KEY", "a:1"]
    assert result.notes == ["line 11: client 1 has no link to a server; use restoreConnection"]


def test_client_ids_that_are_not_valid_user_names(simulation: SimulatedDriver) -> None:
    script = "joinServer 0\njoinClient é/~+1 0\nput é/~+1 a 1\n"
    result = run_script(
        simulation, f"{script}reserve é/~+1 6.12 {SLOT}\ncalendar 0 6.12 2026-12-01\nstatus é/~+1 r1\nprintLog 0"
    )
    assert result.notes == []
    assert result.printed == [
        f"r1 6.12 {SLOT} committed",
        "09:00/10:00 é/~+1 committed",
        f"r1 6.12 {SLOT} committed",
        "PUT:(a, 1):TRUE",
        "RESERVE:(é/~+1, 6.12):TRUE",
    ]


def test_server_ids_that_are_not_valid_labels(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation, "joinServer A\njoinServer a\njoinServer Ä/ö\njoinClient C. a\nput C. x 1\nprintVectors Ä/ö"
    )
    assert result.notes == []
    assert result.printed[0] == "V A:3 a:5 Ä/ö:3"


def test_links_that_change_during_a_crash_count_after_recovery(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation,
        BEFORE + "crash 1\nbreakConnection 0 1\nrecover 1\nput c b 2\nget d b\n"
        "crash 1\nrestoreConnection 0 1\nrecover 1\nget d b",
    )
    assert result.printed == ["b:ERR_KEY", "b:2"]


def test_the_links_of_an_id_that_joins_again_work(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation,
        "joinServer 0\njoinServer 1\njoinServer 2\njoinClient d 2\nbreakConnection 1 2\nretireServer 2\njoinServer 2\n"
        "breakConnection 0 2\nput d a 1\nprintLog 1",
    )
    assert result.printed == ["PUT:(a, 1):TRUE"]
    assert result.notes == []


def test_a_client_that_has_moved_does_not_return(simulation: SimulatedDriver) -> None:
    """A retired server that joins again gets back its clients. The server does not get back a client that has moved, or
    a client whose link was broken."""
    result = run_script(
        simulation,
        "joinServer 0\njoinServer 1\njoinClient c 1\njoinClient d 1\njoinClient e 1\nbreakConnection e 1\n"
        "retireServer 1\nrestoreConnection d 0\njoinServer 1\npause\nput d a 1\nget c a\nget d a\nget e a",
    )
    assert result.printed == ["a:ERR_KEY", "a:1"]
    assert result.notes == ["line 14: client e has no link to a server; use restoreConnection"]


def test_a_copy_that_lacks_nothing_keeps_its_id(simulation: SimulatedDriver) -> None:
    result = run_script(simulation, BEFORE + "copyFolder 1\nput c a 1\nputBack 1\nput d b 2\nprintVectors 0")
    assert "1#2" not in result.printed[0]
    assert result.notes == []


def test_a_copy_knows_the_links_of_its_time(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation,
        BEFORE + "breakConnection 0 1\ncopyFolder 1\nrestoreConnection 0 1\nputBack 1\nput c a 1\nget d a\n"
        "copyFolder 1\nbreakConnection 0 1\nputBack 1\nput c a 2\nget d a",
    )
    assert result.printed == ["a:1", "a:1"]
    assert result.notes == []


def test_a_link_broken_at_a_server_that_has_retired_stays_as_it_was(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation,
        "joinServer 0\njoinServer 1\njoinClient c 1\nput c a 1\nretireServer 1\nbreakConnection c 1\njoinServer 1\n"
        "get c a",
    )
    assert result.printed == ["a:1"]
    assert result.notes == ["line 6: there is no server or client 1"]


def test_reservations_over_midnight(simulation: SimulatedDriver) -> None:
    night = "2026-12-01T23:00/2026-12-02T01:00"
    result = run_script(
        simulation,
        f"{BEFORE}reserve c 6.12 {night}\nreserve c 6.13 2026-12-01T23:00/24:00\ncalendar 0 6.12 2026-12-01\n"
        "calendar 0 6.12 2026-12-02\ncalendar 0 6.13 2026-12-01\ncalendar 0 6.13 2026-12-02\n"
        "calendar 0 none 2026-12-01",
    )
    assert result.printed == [
        f"r1 6.12 {night} committed",
        "r2 6.13 2026-12-01T23:00/24:00 committed",
        "23:00/2026-12-02T01:00 c committed",
        "2026-12-01T23:00/2026-12-02T01:00 c committed",
        "23:00/24:00 c committed",
    ]


def test_names_of_reservations(simulation: SimulatedDriver) -> None:
    """A refused reservation also gets a name. A skipped line gets no name."""
    result = run_script(
        simulation,
        f"{BEFORE}reserve c 6.12 {SLOT}\nreserve d 6.12 {SLOT}\nreserve e 6.12 {SLOT}\nreserve d 6.13 {SLOT}\n"
        "status d r1\nstatus d r2\nstatus d r4\ncancel d r1\ncancel e r1",
    )
    assert result.printed == [
        f"r1 6.12 {SLOT} committed",
        "r2 6.12 - refused",
        f"r3 6.13 {SLOT} tentative",
        f"r1 6.12 {SLOT} committed",
        "r2 ERR_KEY",
        "r4 ERR_KEY",
        "r1 ERR_OWNER",
    ]
    assert len(result.notes) == 2


def test_another_room_without_another_room_tries_the_other_slots(simulation: SimulatedDriver) -> None:
    """The script names one room only, so the merge procedure `another_room` can try only the other slots."""
    result = run_script(
        simulation,
        f"{BEFORE}reserve c 6.12 {SLOT} merge another_room\npause\n"
        f"reserve d 6.12 {SLOT} or 2026-12-01T10:00/11:00 merge another_room",
    )
    assert result.printed == [f"r1 6.12 {SLOT} committed", "r2 6.12 2026-12-01T10:00/11:00 tentative"]
    assert result.notes == []


def test_song_names_may_have_any_characters(simulation: SimulatedDriver) -> None:
    songs = ["AC/DC", "//", "100%", "a?b=c&d", "#1", "/x/", "é", "..."]
    script = "".join(f"put c {song} {song}\nget d {song}\n" for song in songs)
    result = run_script(simulation, BEFORE + script)
    assert (result.printed, result.notes) == ([f"{song}:{song}" for song in songs], [])


def test_an_invalid_song_name_is_refused_or_not_found(simulation: SimulatedDriver) -> None:
    result = run_script(simulation, f"{BEFORE}put c .. 1\nget c ..\nget c {'x' * 300}")
    assert result.printed == ["..:ERR_KEY", f"{'x' * 300}:ERR_KEY"]
    assert len(result.notes) == 1


def test_a_long_log_is_read_page_by_page(simulation: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.language.runner.LOG_PAGE", 3)
    result = run_script(simulation, BEFORE + "".join(f"put c a {number}\n" for number in range(2, 8)) + "printLog 1")
    assert result.printed == [f"PUT:(a, {number}):TRUE" for number in range(1, 8)]
