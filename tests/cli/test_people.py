"""Commands with tokens against a real replica: login, people and roles, and calendar files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from apps.api.model import ListQuery, part_of_list
from cli.main import main
from tests.apps.test_people import OPERATOR, Side, sides  # noqa: F401  # the fixture
from tests.support.web_server import served

pytestmark = pytest.mark.process

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    sides: tuple[Side, Side],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Return a function that runs one command, with the given text as typed input. The function returns (exit status,
    output)."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BAYOU_TOKEN", raising=False)

    def command(*words: str, typed: str = "", token: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        monkeypatch.setenv("BAYOU_TOKEN", token)
        status = main(list(words))
        said = capsys.readouterr()
        return status, said.out + said.err

    with served(sides[0].app) as address:
        monkeypatch.setenv("BAYOU_REPLICA", str(address))
        yield command


def token_in(said: str) -> str:
    return next(line.strip() for line in said.splitlines() if line.startswith("  "))


@pytest.fixture
def boss(run: Run) -> str:
    """Add the first manager with the operator's token, log the manager in, and return the manager's name."""
    status, said = run("operator", "admin", "user", "add", "boss", "--role", "manager", token=OPERATOR)
    assert status == 0, said
    assert run("boss", "login", typed=token_in(said))[0] == 0
    return "boss"


def test_only_the_owner_of_a_token_can_keep_it(run: Run, boss: str, tmp_path: Path) -> None:
    status, said = run("vish", "rooms")
    assert (status, "[token_missing]" in said, "`login`" in said) == (1, True, True)
    token = token_in(run(boss, "admin", "user", "add", "vish")[1])
    status, said = run("neil", "login", typed=token)
    assert (status, "[other_user]" in said) == (1, True)
    assert run("vish", "login", typed="\n")[0] == 2
    assert run("vish", "login", typed="vish.nonsensenonsensenonsense")[0] == 1
    kept = tmp_path / "state" / "bayou" / "vish.token"
    assert not kept.exists()
    assert run("vish", "login", typed=f"{token}\n")[0] == 0
    assert (kept.read_text().strip(), kept.stat().st_mode & 0o777) == (token, 0o600)
    assert run("vish", "rooms")[0] == 0
    assert run("vish", "logout")[0] == 0
    assert run("vish", "rooms")[0] == 1
    assert run("vish", "rooms", token=token)[0] == 0


def test_people_and_roles(run: Run, boss: str) -> None:
    first = token_in(run(boss, "admin", "user", "add", "vish", "--role", "guest")[1])
    assert run(boss, "admin", "user", "role", "vish", "user") == (0, "vish is a user\n")
    second = token_in(run(boss, "admin", "user", "token", "vish")[1])
    assert run("vish", "rooms", token=first)[0] == 1
    assert run("vish", "rooms", token=second)[0] == 0
    assert "vish  user" in run(boss, "admin", "user", "list")[1]
    status, said = run("vish", "admin", "user", "list", token=second)
    assert (status, "needs a manager" in said) == (1, True)
    assert run(boss, "admin", "user", "revoke", "vish")[0] == 0
    assert run("vish", "rooms", token=second)[0] == 1
    assert "[person_unknown]" in run(boss, "admin", "user", "revoke", "vish")[1]


def test_everybody_is_listed_even_in_several_answers(run: Run, boss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vish", "priyal", "neil"):
        run(boss, "admin", "user", "add", name)
    whole = run(boss, "admin", "user", "list")

    def two_of_list(entries: Sequence[str], query: ListQuery) -> tuple[list[str], str | None]:
        return part_of_list(entries, query.model_copy(update={"limit": 2}))

    monkeypatch.setattr("apps.people.endpoints.part_of_list", two_of_list)
    assert run(boss, "admin", "user", "list") == whole
    listed = json.loads(run(boss, "admin", "user", "list", "--json")[1])
    assert [person["name"] for person in listed["people"]] == ["boss", "neil", "priyal", "vish"]


def test_a_calendar_file_is_exported_and_imported(run: Run, boss: str, tmp_path: Path) -> None:
    file = str(tmp_path / "mine.ics")
    reserve = ("reserve", "--room", "6.12", "--at", "tomorrow", "9:00", "--for", "1h", "--request")
    assert run(boss, *reserve, "a", "--purpose", "tea")[0] == 0
    assert run(boss, "export", file)[0] == 0
    status, said = run(boss, "import", file)
    assert (status, "1  already there" in said) == (0, True)
    assert run(boss, "export", file, "--room", "6.12")[0] == 0
    assert "[room_unknown]" in run(boss, "export", file, "--room", "nowhere")[1]
    assert b"SUMMARY:tea" in Path(file).read_bytes()
    assert "[file_unusable]" in run(boss, "export", str(tmp_path / "no" / "way.ics"))[1]


def test_conflicts_are_asked_for_in_the_name_of_the_caller(run: Run, boss: str) -> None:
    assert run(boss, "conflicts")[0] == 0
    assert run(boss, "conflicts", "--user", "vish")[0] == 0
