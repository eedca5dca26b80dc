"""Run every benchmark of `make bench` at a hundredth of its size, and check the lines that the benchmark returns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import bench.full_state
import bench.workspace
from bench.__main__ import main
from bench.code_size import COMMENTS, other_lines, python_lines
from bench.measure import Size, in_turn
from bench.rows import ON_REQUEST, ROWS
from bench.table import HEADING, Row, as_json, as_markdown, at_least, at_most, below, figure
from bench.workspace import Workspace
from tests.support.forked import ForkedProcesses

pytestmark = pytest.mark.slow

TINY = Size(0.01)
LINES = {
    "store": 3,
    "records": 2,
    "commit": 2,
    "commit-wan": 2,
    "spread": 4,
    "rollback-near": 4,
    "memory": 3,
    "vectors": 6,
    "papers": 15,
    "million": 23,
}
NO_PROCESS = ("store", "rollback-far", "rollback-near", "select", "converge", "vectors")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Return a workspace that forks its replicas to save time. The measured figures do not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (bench.workspace, bench.full_state):
            patch.setattr(module, "Processes", ForkedProcesses)
        yield Workspace(tmp_path_factory.mktemp("bench"))


def check(name: str, rows: list[Row]) -> None:
    """Assert that a benchmark returns the expected lines. Each line must have a unit and a correct ratio."""
    assert [row.row for row in rows] == [name] * LINES.get(name, 1)
    for row in rows:
        assert row.unit
        assert row.ratio == (row.ours / row.limit if row.limit else None)
        assert (row.met is None) == (row.wanted == "")


@pytest.mark.parametrize("name", NO_PROCESS)
def test_a_benchmark_without_processes_returns_its_lines(workspace: Workspace, name: str) -> None:
    check(name, ROWS[name](workspace, TINY))


@pytest.mark.parametrize("name", [name for name in ROWS if name not in NO_PROCESS])
def test_a_benchmark_with_replica_processes_returns_its_lines(workspace: Workspace, name: str) -> None:
    check(name, ROWS[name](workspace, TINY))


def test_a_million_reservations_are_measured_on_request(workspace: Workspace) -> None:
    check("million", ON_REQUEST["million"](workspace, Size(0.001)))


def test_both_sides_run_alternately_and_the_median_is_reported() -> None:
    ran: list[str] = []
    ours, limit = iter([100.0, 1.0, 9.0, 2.0]), iter([100.0, 4.0, 6.0, 5.0])

    def measure(name: str, figures: Iterator[float]) -> float:
        ran.append(name)
        return next(figures)

    assert in_turn(3, lambda: measure("a", ours), lambda: measure("b", limit)) == [2.0, 5.0]
    assert ran == ["a", "b"] * 4


def test_the_ratio_decides_whether_a_limit_is_met() -> None:
    assert [at_least("x", "u", (ours, 10), 0.5).met for ours in (4, 5)] == [False, True]
    assert [at_most("x", "u", (ours, 10), 0.5).met for ours in (5, 6)] == [True, False]
    assert [below("x", "u", ours, 5, 10).met for ours in (5, 6)] == [True, False]
    assert figure("x", "u", 1).met is None


def test_the_table_is_printed_as_markdown_and_as_json() -> None:
    rows = [at_least("apply", "writes/s", (12_345, 10_000), 0.6), figure("papers", "ms", 0.5)]
    assert as_markdown(rows).splitlines() == [
        "| row    |   ours |  limit | unit     | ratio | wanted | met |",
        "| ------ | -----: | -----: | -------- | ----: | ------ | --- |",
        "| apply  | 12,345 | 10,000 | writes/s |  1.23 | ≥ 0.6  | yes |",
        "| papers |    0.5 |        | ms       |       |        |     |",
    ]
    loaded = json.loads(as_json(rows))
    assert list(loaded) == ["rows"]
    assert [list(row) for row in loaded["rows"]] == [list(HEADING)] * 2
    assert loaded["rows"][1]["met"] is None


def test_standard_output_contains_only_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ROWS, "select", lambda _workspace, _size: [figure("select", "ms", 1)])
    assert main(["--row", "select", "--json"]) == 0
    output = capsys.readouterr()
    assert [row["row"] for row in json.loads(output.out)["rows"]] == ["select"]
    assert "[1/1] select" in output.err


def test_peers_are_measured_on_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(ROWS, "select", lambda _workspace, _size: [figure("select", "ms", 1)])
    monkeypatch.setitem(ON_REQUEST, "peers", lambda _workspace, _size: [figure("peers", "writes/s", 1)])
    assert main(["--row", "select", "--peers", "--json"]) == 0
    assert [row["row"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["select", "peers"]


def test_other_rows_are_printed_when_one_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_workspace: Workspace, _size: Size) -> list[Row]:
        raise OSError("the disk is full")

    monkeypatch.setitem(ROWS, "store", fails)
    monkeypatch.setitem(ROWS, "select", lambda _workspace, _size: [figure("select", "ms", 1)])
    assert main(["--row", "store,select", "--json"]) == 1
    output = capsys.readouterr()
    assert [row["row"] for row in json.loads(output.out)["rows"]] == ["select"]
    assert "the disk is full" in output.err
    assert "Not measured because of the errors above: store" in output.err


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--row", "store,nothing"])
    assert ended.value.code == 2
    assert "unknown row nothing; use some of accept, accept-flat, store" in capsys.readouterr().err


def test_code_size_excludes_docstrings_comments_and_examples() -> None:
    text = """
'''About this module.'''

EXAMPLE = {
    "room": "aula",
}


def book(room):  # a comment beside code
    # a comment alone
    return answer(
        room,
        example={
            "room": "aula",
        },
    )
"""
    assert python_lines(text) == 4


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".lua", "--[[ two\nlines ]]\nlocal a = '--' -- why\nlocal b = [[--\n--]]\n"),
        (".js", "/* two\nlines */\nconst a = '//'; // why\nconst b = /[\"/*]/;\nconst c = `//`;\n"),
        (".css", "/* two\nlines */\na::before {\n  content: '/*'; /* why */\n}\n"),
    ],
)
def test_code_size_distinguishes_comments_from_strings(suffix: str, text: str) -> None:
    assert other_lines(text, COMMENTS[suffix]) == 3
