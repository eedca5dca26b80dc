"""The parser of the scenario language: which lines are commands, the values of their parts, and the errors."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cluster.language.parser import (
    USAGES,
    Command,
    Complaint,
    Slot,
    read_count,
    read_date,
    read_line,
    read_offset,
    read_reserve,
    read_slot,
)

NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
TEN = datetime(2026, 12, 1, 10, tzinfo=UTC)
HOUR_US = 3_600_000_000


def command(line: str) -> Command:
    found = read_line(line)
    assert found is not None
    return found


@pytest.mark.parametrize("line", ["", "  ", "\r\n", "# a comment", "   // another", "#put c a b", "//put c a b"])
def test_blank_lines_and_comments_are_not_commands(line: str) -> None:
    assert read_line(line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("put c song url", ("c", "song", "url")),
        ("  put\tc  song url \r\n", ("c", "song", "url")),
        ("put c song http://example.org/#top", ("c", "song", "http://example.org/#top")),
        ("put c #1 //x", ("c", "#1", "//x")),
    ],
)
def test_only_blanks_separate_words(line: str, words: tuple[str, ...]) -> None:
    assert command(line) == Command("put", words, line.strip()[3:].strip())


@pytest.mark.parametrize("name", USAGES)
def test_a_wrong_number_of_words_shows_the_usage(name: str) -> None:
    _, least, most = USAGES[name]
    wrong = [least - 1] * (least > 0) + [most + 1]
    for count in wrong:
        with pytest.raises(Complaint, match=f"^usage: {name}"):
            read_line(" ".join([name, *["x"] * count]))


def test_an_unknown_command_suggests_a_similar_one() -> None:
    with pytest.raises(Complaint, match=r"^there is no command joinserver. Did you mean joinServer\?$"):
        read_line("joinserver 1")
    with pytest.raises(Complaint, match=r"^there is no command xyzzy\.$"):
        read_line("xyzzy")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-12-01T09:00/10:00", NINE, TEN),
        ("2026-12-01T09:00/2026-12-01T10:00", NINE, TEN),
        ("2026-12-01T09:00/24:00", NINE, datetime(2026, 12, 2, tzinfo=UTC)),
        ("2026-12-01T09:00/2026-12-02T01:30", NINE, datetime(2026, 12, 2, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_slot_is_parsed(text: str, start: datetime, end: datetime) -> None:
    assert read_slot(text) == Slot(start, end)


@pytest.mark.parametrize(
    "text", ["2026-12-01T09:00/10:00", "2026-12-01T09:00/24:00", "2026-12-01T23:00/2026-12-02T01:00"]
)
def test_a_slot_is_printed_as_it_is_written(text: str) -> None:
    assert str(read_slot(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("09:00/10:00", "is not a time; write it like"),
        ("2026-12-01T09:00", "is not a time; write it like"),
        ("2026-12-01T9:00/10:00", "is not a time; write it like"),
        ("2026-12-01T09:00/10:00Z", "is not a time; write it like"),
        ("2026-13-01T09:00/10:00", "there is no 2026-13-01T09:00"),
        ("2026-12-01T09:60/10:00", "there is no 2026-12-01T09:60"),
        ("9999-12-31T09:00/24:00", "there is no 9999-12-31T24:00"),
        ("2026-12-01T10:00/10:00", "ends before it begins"),
        ("2026-12-01T23:00/01:00", "over midnight, write"),
    ],
)
def test_an_invalid_slot_is_refused(text: str, said: str) -> None:
    with pytest.raises(Complaint, match=said):
        read_slot(text)


def test_a_reservation_is_parsed() -> None:
    when, later = "2026-12-01T09:00/10:00", "2026-12-01T10:00/11:00"
    plain = read_reserve(command(f"reserve vish 6.12 {when}"))
    assert (plain.client, plain.room, plain.slots) == ("vish", "6.12", (Slot(NINE, TEN),))
    assert (plain.merge, plain.purpose) == ("first_free_alternative", "")
    whole = read_reserve(command(f"reserve vish 6.12 {when} or {later} merge give_up for a merge or two"))
    assert [str(slot) for slot in whole.slots] == [when, later]
    assert (whole.merge, whole.purpose) == ("give_up", "a merge or two")


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("or", "^usage: reserve"),
        ("merge", "^usage: reserve"),
        ("for", "^usage: reserve"),
        ("2026-12-01T10:00/11:00", "^usage: reserve"),
        ("for fun", ""),
        ("merge nearest", "^there is no merge procedure nearest; use one of first_free_alternative, "),
        ("or tomorrow", "^tomorrow is not a time"),
    ],
)
def test_an_invalid_reservation_is_refused(rest: str, said: str) -> None:
    line = f"reserve vish 6.12 2026-12-01T09:00/10:00 {rest}"
    if not said:
        assert read_reserve(command(line)).purpose == "fun"
        return
    with pytest.raises(Complaint, match=said):
        read_reserve(command(line))


@pytest.mark.parametrize(
    ("text", "offset_us"),
    [("+2h", 2 * HOUR_US), ("-30m", -HOUR_US // 2), ("+250ms", 250_000), ("-1d", -24 * HOUR_US), ("0", 0)],
)
def test_an_offset_is_parsed(text: str, offset_us: int) -> None:
    assert read_offset(text) == offset_us


@pytest.mark.parametrize("text", ["2h", "+2", "+2 h", "+h", "+1001d", "++2h", "+2hours", "+٢h"])
def test_an_invalid_offset_is_refused(text: str) -> None:
    with pytest.raises(Complaint, match="is not an offset; write it like"):
        read_offset(text)


def test_dates_and_counts_are_parsed_or_refused() -> None:
    assert read_date("2026-12-01") == date(2026, 12, 1)
    for text in ("2026-02-30", "1.12.2026", "2026-12-1", "today"):
        with pytest.raises(Complaint, match="is not a date"):
            read_date(text)
    assert [read_count(text) for text in ("0", "17")] == [0, 17]
    for text in ("-1", "+1", "x", "1.5", "9" * 30, "٣"):
        with pytest.raises(Complaint, match="cannot be used as the number of writes"):
            read_count(text)
