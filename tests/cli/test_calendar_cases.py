"""Imports calendar files that other programs read wrongly. expected.json has the right result for each case.

The calendar files and expected.json are in ../shared/cases/ics. The tests are skipped on a machine without these files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.import_harness import desk

CASES = Path(__file__).parent.parent.parent.parent / "shared" / "cases" / "ics"
EXPECTED: list[dict[str, Any]] = []
if (CASES / "expected.json").exists():
    EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
present = pytest.mark.skipif(not EXPECTED, reason="the cases are not here")


def rooms_in(content: bytes) -> list[str]:
    unfolded = re.sub(r"\r?\n[ \t]", "", content.decode("utf-8", "replace"))
    return sorted(set(re.findall(r"(?im)^location:(.*?)\r?$", unfolded)))


def read(name: str) -> bytes:
    return (CASES / name).read_bytes()


@present
@pytest.mark.parametrize("case", EXPECTED, ids=[case["n"] for case in EXPECTED])
def test_a_case(case: dict[str, Any], tmp_path: Path) -> None:
    content, right = read(case["file"]), case["right"]
    rooms = ["Café", "6.12"] if case["n"] == "64" else rooms_in(content)
    options = ["--until", case["until"]] if case["until"] else []
    with desk(tmp_path, rooms) as here:
        status, answer = here.take(content, *options)
        booked = here.booked()
    said = [*answer["skipped"], *answer["damage"], *answer["remarks"], *answer["unknown_rooms"]]
    if isinstance(right, str):
        assert said or right == "HANG"
        assert right != "SKIP" or not booked
        return
    expected = sorted(" ".join(map(str, [one[0], one[1], *one[2:]])) for one in right)
    shown = [" ".join([*line.split(" ")[:2], line.split(" ", 3)[-1]]) for line in booked]
    assert [line if len(right[0]) > 2 else " ".join(line.split(" ")[:2]) for line in shown] == expected, (
        status,
        answer,
    )


@present
@pytest.mark.parametrize(("story", "after"), [("81-update", ["2027-04-05T12:00 60 R81 plan moved"]), ("82-cancel", [])])
def test_a_newer_version(story: str, after: list[str], tmp_path: Path) -> None:
    files = [read(path.name) for path in sorted(CASES.glob(f"{story}-v*.ics"))]
    with desk(tmp_path, rooms_in(files[0])) as here:
        for content in files:
            assert here.take(content)[0] == 0
        assert here.booked() == after


@present
def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    with desk(tmp_path, ["R138"]) as here:
        status, answer = here.take(read("138-truncated.ics"))
        assert (status, here.booked()) == (1, ["2027-09-01T09:00 60 R138"])
        assert "c138" in " ".join(answer["damage"])


@present
def test_the_first_of_two_that_overlap_wins(tmp_path: Path) -> None:
    content = read("80-overlap-order.ics")
    with desk(tmp_path, rooms_in(content)) as here:
        status, answer = here.take(content)
        assert (status, answer["refused_count"]) == (3, 40)
        assert {line.rpartition(" ")[2] for line in here.booked()} == {"a"}
