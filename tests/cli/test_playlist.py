"""The commands for the playlist against a real replica: their output and exit status, also at the prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from cluster.processes import Processes
from tests.support.live import ROOT, link, live

pytestmark = pytest.mark.process

BOUND_S = 20.0


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Two replicas. The replica `one` is the primary. The link between `one` and `two` is cut."""
    with live(tmp_path_factory.mktemp("playlist"), ("one", "two")) as processes:
        link(processes, "one", "two", up=False)
        yield processes


class Client:
    """Runs `client.py vish …` in this process, and keeps the output."""

    def __init__(self, configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._configuration = str(configuration)
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        status = main(["vish", *words, "--config", self._configuration])
        self.out, self.err = self._capsys.readouterr()
        return status

    def json(self, *words: str) -> Any:
        self(*words, "--json")
        assert self.err == ""
        return json.loads(self.out)


@pytest.fixture
def client(
    replicas: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Client:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("BAYOU_REPLICA", raising=False)
    return Client(replicas.configuration, capsys)


def test_put_get_delete(client: Client) -> None:
    assert client("put", "eyes", "utexas.edu", "--replica", "two") == 0
    assert client.out == "? tentative  eyes  utexas.edu\n"
    assert client("get", "eyes", "--replica", "two") == 0
    assert client.out == "? tentative  eyes  utexas.edu\n"
    assert client("get", "eyes", "--committed", "--replica", "two") == 1
    assert "There is no song eyes in the committed view of this replica." in client.err
    assert client("delete", "eyes", "--replica", "two") == 0
    assert client.out == "? tentative  eyes  deleted\n"
    assert client("get", "eyes", "--replica", "two") == 1
    assert "[song_unknown]" in client.err
    assert client("delete", "eyes", "--replica", "two") == 0


def test_committed_at_the_primary(client: Client) -> None:
    assert client("put", "final", "u") == 0
    assert client.out == "✓ committed  final  u\n"
    assert client("get", "final", "--committed") == 0


def test_songs(client: Client) -> None:
    client("put", "two words", "u", "--replica", "two")
    assert client("songs", "--replica", "two") == 0
    assert "?  two words  u\n" in client.out
    assert client.out.endswith("tentative view at two\n")
    assert client("songs", "--committed", "--replica", "two") == 0
    assert client.out == "There is no song here yet.\ncommitted view at two\n"


def test_json(client: Client) -> None:
    assert client.json("put", "as json", "u") == {"song": "as json", "url": "u", "state": "committed"}
    assert client.json("get", "as json") == {"song": "as json", "url": "u", "state": "committed"}
    assert {"song": "as json", "url": "u", "state": "committed"} in client.json("songs")["songs"]
    assert client.json("delete", "as json") == {"song": "as json", "url": None, "state": "committed"}
    assert client.json("get", "as json")["error"]["code"] == "song_unknown"


@pytest.mark.parametrize("song", ["AC/DC", "/", "a?b#c%d", "100%", "é ü", "../x"])
def test_song_names_that_a_url_must_quote(client: Client, song: str) -> None:
    assert client.json("put", song, "u")["song"] == song
    assert client.json("get", song)["song"] == song


def test_a_repeated_request_is_one_write(client: Client) -> None:
    client("put", "same", "u1", "--request", "r1")
    client("put", "same", "u2")
    assert client.json("put", "same", "u1", "--request", "r1")["url"] == "u2"
    written = [write for write in client.json("log", "--last", "10")["writes"] if write["describe"]["song"] == "same"]
    assert len(written) == 2


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["put", "a"], 2, "required: URL"),
        (["get"], 2, "required: SONG"),
        (["get", ".."], 2, "cannot be a song"),
        (["get", ""], 2, "cannot be a song"),
        (["put", "a", "u", "--request", "a b"], 2, "is not a request id"),
        (["put", "a" * 201, "u"], 1, "a name has 1 to 200 printable characters"),
        (["put", "a", "u" * 2001], 1, "url: must have at most 2000 characters"),
        (["get", "a", "--replica", "127.0.0.1:1"], 4, "cannot be reached"),
    ],
)
def test_errors_say_what_is_wrong(client: Client, words: list[str], status: int, message: str) -> None:
    assert client(*words) == status
    assert message in client.err


def test_at_the_prompt(replicas: Processes, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(ROOT / "client.py"), "vish", "--config", str(replicas.configuration)],
        input="put 'at the prompt' u\nget 'at the prompt'\nget nowhere\nhelp\nhelp put\n",
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONUTF8": "1"},
    )
    assert answer.returncode == 1
    assert answer.stdout.count("✓ committed  at the prompt  u") == 2
    assert "[song_unknown]" in answer.stderr
    assert "up to 2000 characters" in answer.stdout
    rooms, _, playlist = answer.stdout.partition("the playlist, an example of a second application:\n")
    assert [line.split()[0] for line in playlist.splitlines()[:4]] == ["put", "get", "delete", "songs"]
    assert "  songs " not in rooms
