"""Single commands against a fake replica: the requests they send, their output, and their exit status."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.arguments.command_line import build
from cli.main import main
from cli.output.screen import screen_for
from cli.replica_addresses import read_directory
from tests.support.fake_replica import FakeReplica, serving

RESERVE = ["reserve", "--room", "6.12", "--at", "2026-12-01T09:00", "--for", "1h", "--purpose", "weekly"]


@pytest.fixture
def replica() -> Iterator[FakeReplica]:
    with serving() as fake:
        yield fake


class Client:
    """Runs `client.py vish …` in this process, and keeps the output."""

    def __init__(self, folder: Path, replica: FakeReplica, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"replicas:\n  one: {{rest: {replica.url.removeprefix('http://')}}}\n"
            f"  6.12: {{rest: 127.0.0.1:{free_port()}}}\n"
        )
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        status = main(["vish", *words])
        self.out, self.err = self._capsys.readouterr()
        return status

    def json(self, *words: str) -> Any:
        self(*words, "--json")
        return json.loads(self.out)


@pytest.fixture
def client(
    tmp_path: Path, replica: FakeReplica, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Client:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BAYOU_REPLICA", raising=False)
    monkeypatch.chdir(tmp_path)
    return Client(tmp_path, replica, capsys)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_reserve_sends_the_slots_and_echoes_the_time_with_its_zone(client: Client, replica: FakeReplica) -> None:
    assert client(*RESERVE, "--or", "10:00", "--or", "2026-12-02T11:00") == 0
    body = replica.seen[-1][2]
    assert [slot["start"] for slot in body["slots"]] == [
        "2026-12-01T09:00:00+00:00",
        "2026-12-01T10:00:00+00:00",
        "2026-12-02T11:00:00+00:00",
    ]
    assert (body["room"], body["purpose"], body["merge"]) == ("6.12", "weekly", "first_free_alternative")
    assert "Tue 2026-12-01 09:00–10:00, or 10:00–11:00, or Wed 2026-12-02 11:00–12:00, UTC" in client.out
    assert "? tentative  6.12  Tue 2026-12-01 09:00–10:00 UTC  weekly" in client.out
    assert f"vish/{body['request']}" in client.out
    assert "\x1b" not in client.out


def test_a_time_of_two_words_needs_no_quotes(client: Client, replica: FakeReplica) -> None:
    assert client("reserve", "--room", "6.12", "--at", "2026-12-01", "9:00", "--to", "10:30") == 0
    assert replica.seen[-1][2]["slots"] == [{"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:30:00+00:00"}]


def test_a_reservation_at_an_alternative_says_so(client: Client) -> None:
    client(*RESERVE)
    assert client(*RESERVE, "--or", "10:00") == 0
    assert "10:00–11:00" in client.out
    assert "this is choice 2" in client.out


def test_nothing_free_has_status_3_and_the_servers_message(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE)
    assert client(*RESERVE) == 3
    assert "✗ 6.12 is taken at every time you named; name others. [slot_taken]" in client.err
    assert len(replica.reservations) == 1
    assert client.json(*RESERVE)["error"]["code"] == "slot_taken"


def test_merge_procedures_are_sent_with_their_options(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--merge", "nearest_free_time", "--window", "2h")
    assert replica.seen[-1][2]["merge"] == {"name": "nearest_free_time", "window_min": 120}
    client(*RESERVE, "--merge", "another-room", "--else-room", "6.13", "--else-room", "7.01")
    assert replica.seen[-1][2]["merge"] == {"name": "another_room", "rooms": ["6.13", "7.01"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--window", "2h"], "--window works only with --merge nearest_free_time"),
        (["--merge", "another_room"], "needs --else-room"),
        (["--merge", "best"], "no merge procedure 'best'"),
        (["--to", "10:00"], "not allowed with argument"),
        (["--or", "soon"], "Cannot read the time 'soon'"),
        (["--what"], "nrecognized arguments: --what"),
    ],
)
def test_a_usage_error_has_status_2_and_sends_nothing(
    client: Client, replica: FakeReplica, words: list[str], message: str
) -> None:
    assert client(*RESERVE, *words) == 2
    assert message in client.err
    assert not replica.reservations
    assert message in client.json(*RESERVE, *words)["error"]["message"]


def test_an_end_before_the_start_is_refused(client: Client) -> None:
    assert client("reserve", "--room", "6.12", "--at", "2026-12-01T09:00", "--to", "08:00") == 2
    assert "not after the start" in client.err


def test_after_a_lost_answer_the_same_request_is_sent_again(client: Client, replica: FakeReplica) -> None:
    replica.lose_answers = 1
    assert client(*RESERVE) == 0
    posts = [body["request"] for method, _, body in replica.seen if method == "POST"]
    assert len(posts) == 2
    assert posts[0] == posts[1]
    assert len(replica.reservations) == 1
    assert "sending the same request" in client.err
    assert "has this request already" in client.out


def test_if_every_answer_is_lost_the_request_to_repeat_is_named(client: Client, replica: FakeReplica) -> None:
    replica.lose_answers = 3
    assert client(*RESERVE) == 4
    request = replica.seen[-1][2]["request"]
    assert f"--request {request}" in client.err
    assert client(*RESERVE, "--request", request) == 0
    assert list(replica.reservations) == [f"vish/{request}"]


def test_cancel_and_move_by_the_beginning_of_an_id(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "8f3a11")
    client(*RESERVE, "--or", "10:00", "--request", "8f3b22")
    assert client("cancel", "8f3") == 2
    assert "beginning of 2 ids: 8f3a11, 8f3b22" in client.err
    assert client("cancel", "9") == 1
    assert "[reservation_unknown]" in client.err
    assert client("move", "8f3b", "--at", "2026-12-01T14:00", "--room", "6.13") == 0
    moved = replica.reservations["vish/8f3b22"]
    assert (moved["room"], moved["slot"]["end"]) == ("6.13", "2026-12-01T15:00:00+00:00")
    assert "Tue 2026-12-01 14:00–15:00 UTC" in client.out
    assert client("cancel", "8f3a") == 0
    assert replica.reservations["vish/8f3a11"]["state"] == "cancelled"
    deleted = [path for method, path, _ in replica.seen if method == "DELETE"]
    assert deleted[0].startswith("/reservations/vish/8f3a11?request=")
    assert "– cancelled" in client.out


def test_a_user_cannot_cancel_anothers_reservation(client: Client, replica: FakeReplica) -> None:
    main(["priyal", *RESERVE, "--request", "hers"])
    assert client("cancel", "priyal/hers") == 1
    assert "belongs to priyal. [not_owner]" in client.err
    assert client("status", "priyal/he") == 0


def test_status_lists_and_hides_the_past(client: Client, replica: FakeReplica) -> None:
    client("reserve", "--room", "6.12", "--at", "2001-01-01T09:00", "--for", "1h")
    client("reserve", "--room", "6.12", "--at", "2999-01-01T09:00", "--for", "1h", "--purpose", "far")
    replica.commit_all()
    assert client("status") == 0
    assert "Tue 2999-01-01 09:00–10:00  far" in client.out
    assert "2001" not in client.out
    assert "1 past or cancelled: status --all" in client.out
    client("status", "--all")
    assert "Mon 2001-01-01" in client.out
    assert len(client.json("status")["reservations"]) == 2


def test_a_rejected_reservation_shows_its_reason(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    replica.reservations["vish/r1"].update(
        state="rejected", slot=None, reason={"code": "no_alternative", "message": "Nothing was left."}
    )
    assert client("status") == 0
    assert "✗  r1  6.12  (Tue 2026-12-01 09:00–10:00)  Nothing was left. [no_alternative]" in client.out
    assert client(*RESERVE, "--request", "r1") == 3


def test_an_unknown_room_needs_new_room(client: Client, replica: FakeReplica) -> None:
    words = ["reserve", "--room", "6.1", "--at", "2026-12-01T09:00", "--for", "1h"]
    assert client(*words) == 1
    assert "did you mean 6.12? [room_unknown]" in client.err
    assert client(*words, "--new-room") == 0


def test_use_is_remembered_and_can_be_overridden(
    client: Client, replica: FakeReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client("use", "6.12") == 0
    assert "nothing answers there now" in client.out
    assert client("rooms") == 4
    assert "6.12 (127.0.0.1:" in client.err
    assert client("--replica", "one", "rooms") == 0
    assert client("rooms", "--replica", replica.url) == 0
    monkeypatch.setenv("BAYOU_REPLICA", "one")
    assert client("rooms") == 0
    assert client("use", "one") == 0
    assert "BAYOU_REPLICA overrides `use`" in client.err
    monkeypatch.setenv("BAYOU_REPLICA", "nowhere")
    assert client("rooms") == 2
    assert "comes from the variable BAYOU_REPLICA" in client.err
    monkeypatch.delenv("BAYOU_REPLICA")
    assert client("use", "one") == 0
    assert client("rooms") == 0


def test_without_use_the_first_replica_of_the_configuration_is_asked(client: Client) -> None:
    assert client("rooms") == 0
    assert client("rooms", "--config", "nowhere.yaml") == 2
    client.config.write_text("replicas:\n  one: {anti_entropy: x}\n")
    assert client("rooms") == 2
    assert "the replica 'one' has no `rest` address" in client.err


def test_class_commands(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE)
    assert client("replicas") == 0
    assert "→  one" in client.out
    assert "unreachable" in client.out
    assert client("link", "cut", "two") == 0
    assert replica.peers[0]["link"] == "cut"
    assert client("links") == 0
    assert "✂ cut" in client.out
    assert client("sync", "two") == 1
    assert "[link_cut]" in client.out
    assert client("sync") == 0
    assert "three: sent 3, received 1 in 0.02 s" in client.out
    assert client("link", "heal", "nobody") == 1
    assert client("pace", "manual") == 0
    assert replica.pace == "manual"
    for words in ("replicas", "links"):
        assert client(words) == 0
        assert "Manual pace" in client.out
        assert "`pace auto` ends manual pace" in client.out
    assert client("pace", "auto") == 0
    assert client("links") == 0
    assert "Manual pace" not in client.out
    assert client("log") == 0
    assert "reserve  vish/" in client.out
    assert client("commit") == 0
    assert replica.reservations[next(iter(replica.reservations))]["state"] == "committed"


@pytest.mark.parametrize(
    "words",
    [
        ["rooms"],
        ["replicas"],
        ["links"],
        ["link", "cut", "two"],
        ["sync"],
        ["pace", "auto"],
        ["log"],
        ["commit"],
        ["use", "one"],
        RESERVE,
    ],
)
def test_json_output_is_nothing_but_json(client: Client, words: list[str]) -> None:
    assert isinstance(client.json(*words), dict)
    assert client.err == ""


def test_the_log_shows_its_end(client: Client, replica: FakeReplica) -> None:
    for hour in range(8, 14):
        client("reserve", "--room", "6.12", "--at", f"2026-12-01T{hour:02}:00", "--for", "1h", "--request", f"r{hour}")
    assert [write["request"] for write in client.json("log", "--last", "2")["writes"]] == ["r12", "r13"]
    after = replica.writes[3]["id"]
    assert [write["request"] for write in client.json("log", "--after", after)["writes"]] == ["r12", "r13"]


def test_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    found = [build()]
    for parser in found:
        assert "examples:" in parser.format_help(), parser.prog
        found += parser.commands.values()
    for words in (["--help"], ["vish", "reserve", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 0
        assert "examples:" in capsys.readouterr().out


def test_the_playlist_stands_in_a_group_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    rooms, _, playlist = capsys.readouterr().out.partition("\nthe playlist")
    for name in ("put", "get", "delete", "songs"):
        assert f"\n    {name}  " in playlist
        assert f"\n    {name}  " not in rooms
    assert "\n    reserve  " in rooms


def test_a_wrong_user_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a b", "rooms"]) == 2
    assert "is not a user name" in capsys.readouterr().err


def test_an_address_that_is_not_a_replicas(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("--replica", "ftp://x:1", "rooms") == 2
    assert client("--replica", "http://127.0.0.1:x", "rooms") in {1, 4}


def test_text_of_others_cannot_control_the_terminal(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    replica.reservations["vish/r1"]["purpose"] = "\x1b[2Jgone"
    client("status")
    assert "\x1b" not in client.out


def test_colour_on_a_terminal_only_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert screen_for(Terminal()).state("committed") == "\x1b[32m✓ committed\x1b[0m"
    assert screen_for(io.StringIO()).state("committed") == "✓ committed"
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen_for(Terminal()).state("committed") == "✓ committed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resrve"], "There is no command 'resrve'. Did you mean `reserve`?"),
        (["admin", "user", "revok", "neil"], "There is no command 'revok'. Did you mean `revoke`?"),
        (["zzz"], "There is no command 'zzz'. The commands are: reserve, free"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_one_that_is_meant(
    client: Client, words: list[str], message: str
) -> None:
    assert client(*words) == 2
    assert message in client.err


@pytest.mark.parametrize("name", [".", ".."])
def test_a_user_name_that_is_a_path_is_refused(client: Client, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "status"]) == 2
    assert "is not a user name" in capsys.readouterr().err
    assert main(["...", "--config", str(client.config), "status"]) == 0


@pytest.mark.parametrize("rest", ["127.0.0.1:8001", "localhost:8001", "'[::1]:8001'"])
def test_a_replica_on_the_loopback_address_is_reached_at_its_public_name(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"replicas:\n  one: {{rest: {rest}, public: one.example.org}}\n"
        f"  two: {{rest: {rest}}}\n  three: {{rest: 10.0.6.1:8001, public: three.example.org}}\n"
    )
    urls = {label: address.url for label, address in read_directory(str(path)).replicas.items()}
    bare = rest.strip("'")
    assert urls == {"one": "https://one.example.org", "two": f"http://{bare}", "three": "http://10.0.6.1:8001"}
