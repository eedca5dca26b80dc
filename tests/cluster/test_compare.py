"""`cluster.py compare`: each design follows its definition, and the tables show the result of each reservation."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.compare import main as comparing
from cluster.compare import story as called
from cluster.compare.bayou import play_bayou
from cluster.compare.booking import Booking
from cluster.compare.designs import DESIGNS
from cluster.compare.operation_based import OperationSet
from cluster.compare.play import COMMANDS, NotComparable, play, read_script
from cluster.compare.stable_stamps import StampedLog, Write
from cluster.compare.state_based import GrowOnlySet, LastWriterWinsMap, ObservedRemoveSet, TwoPhaseSet
from cluster.compare.story import Story, verdicts
from cluster.compare.tables import table
from cluster.drivers.simulated import SimulatedDriver
from cluster.language.parser import USAGES, read_slot
from tests.support.cluster_command import ClusterCommand, cluster_command, colours
from tests.support.scenario_harness import ROOT
from tests.support.terminal import Terminal

__all__ = ["cluster_command", "colours"]  # fixtures

SCRIPTS = ROOT / "scenarios" / "compare"
ELEMENTS = st.integers(0, 5)
STAMPS = st.tuples(st.integers(0, 30), st.sampled_from("abc"))

grow_only = st.frozensets(ELEMENTS).map(GrowOnlySet)
two_phase = st.tuples(st.frozensets(ELEMENTS), st.frozensets(ELEMENTS)).map(
    lambda sets: TwoPhaseSet(sets[0], sets[0] & sets[1])
)
# The value is a function of the stamp, because stamps are unique.
last_writer_wins = st.dictionaries(ELEMENTS, STAMPS).map(
    lambda stamps: LastWriterWinsMap({key: (stamp, hash((key, stamp))) for key, stamp in stamps.items()})
)
# The element is a function of the stamp, for the same reason.
observed_remove = st.tuples(st.frozensets(STAMPS), st.frozensets(STAMPS)).map(
    lambda stamps: ObservedRemoveSet(frozenset((stamp, hash(stamp) % 6) for stamp in stamps[0]), stamps[0] & stamps[1])
)
KINDS = (grow_only, two_phase, last_writer_wins, observed_remove)
STATES = st.one_of(*(st.tuples(kind, kind, kind) for kind in KINDS))


@settings(deadline=None)
@given(STATES)
def test_a_merge_is_a_join(states: tuple[Any, Any, Any]) -> None:
    a, b, c = states
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(a) == a
    assert a.merge(b).merge(b) == a.merge(b)


@settings(deadline=None)
@given(two_phase, ELEMENTS, ELEMENTS)
def test_an_update_never_leads_to_a_smaller_value(state: TwoPhaseSet[int], element: int, other: int) -> None:
    for updated in (state.add(element), state.remove(other)):
        assert state.merge(updated) == updated
    assert element not in state.add(element).remove(element).add(element).elements


@settings(deadline=None)
@given(observed_remove, observed_remove, ELEMENTS)
def test_a_removal_removes_only_what_it_has_observed(
    state: ObservedRemoveSet[int], other: ObservedRemoveSet[int], element: int
) -> None:
    removed = state.remove(element)
    assert state.merge(removed) == removed
    assert removed.elements == state.elements - {element}
    again = removed.add(element, (99, "a"))
    assert element in again.elements
    assert element in again.merge(other.remove(element)).elements  # the other has not seen this addition


@settings(deadline=None)
@given(last_writer_wins, ELEMENTS, STAMPS)
def test_the_greatest_stamp_wins(state: LastWriterWinsMap[int, int], key: int, stamp: tuple[int, str]) -> None:
    held = state.registers.get(key)
    written = state.put(key, -1, stamp)
    assert written.registers[key][1] == (-1 if held is None or held[0] < stamp else held[1])
    assert {other: written.registers[other] for other in state.registers if other != key} == {
        other: register for other, register in state.registers.items() if other != key
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), ELEMENTS), max_size=12))
def test_operations_in_any_order_and_more_than_once(seed: int, made: list[tuple[str, bool, int]]) -> None:
    """Operations arrive in any order, and some operations arrive twice. At the end all replicas are equal and have
    applied each operation once."""
    chosen = random.Random(seed)
    replicas = {name: OperationSet[int](name) for name in "abc"}
    for name, adds, element in made:
        (replicas[name].add if adds else replicas[name].remove)(element)
        for operation in chosen.sample(replicas[name].log, chosen.randint(0, len(replicas[name].log))):
            replicas[chosen.choice("abc")].receive(operation)
    everything = [operation for replica in replicas.values() for operation in replica.log] * 2
    for replica in replicas.values():
        for operation in chosen.sample(everything, len(everything)):
            replica.receive(operation)
        assert len({operation.tag for operation in replica.log}) == len(replica.log) == len(made)
    assert len({replica.elements for replica in replicas.values()}) == 1


def test_a_removal_waits_for_the_operations_that_its_origin_had_seen() -> None:
    one, two, three = OperationSet[str]("one"), OperationSet[str]("two"), OperationSet[str]("three")
    one.add("x")
    two.receive(one.log[0])
    two.remove("x")
    three.receive(two.log[-1])
    assert three.log == []
    three.receive(one.log[0])
    assert (three.log, three.elements) == (two.log, frozenset())


def test_an_addition_wins_over_a_removal_at_the_same_time() -> None:
    one, two = OperationSet[str]("one"), OperationSet[str]("two")
    one.add("x")
    two.receive(one.log[0])
    two.remove("x")
    one.add("x")
    for giver, taker in ((one, two), (two, one)):
        for operation in list(giver.log):
            taker.receive(operation)
    assert one.elements == two.elements == {"x"}
    two.remove("x")
    one.receive(two.log[-1])
    assert one.elements == two.elements == frozenset()


HOURS = [read_slot(f"2026-12-01T{hour:02}:00/{hour + 1}:00") for hour in (9, 10, 11)]
MEETINGS = st.lists(st.tuples(st.sampled_from(["ab", "bc", "ac", ""]), st.sampled_from("abc"), st.integers(0, 2)))


@settings(deadline=None)
@given(MEETINGS)
def test_a_stable_write_never_changes_again(steps: list[tuple[str, str, int]]) -> None:
    """Three servers write and meet in any order. Once a write is final at one server, the booking of this write never
    changes at any server. When all servers have met, the servers are equal and all writes are final."""
    logs = {name: StampedLog(name, 0) for name in "abc"}
    logs["a"].exchange(logs["b"], 0)
    logs["b"].exchange(logs["c"], 0)
    logs["a"].exchange(logs["c"], 0)
    final: dict[int, Booking | None] = {}
    made = []
    for now, (meeting, name, first) in enumerate(
        [*steps, ("ab", "a", 0), ("bc", "a", 0), ("ac", "a", 0), ("bc", "a", 0)], 1
    ):
        if meeting:
            logs[meeting[0]].exchange(logs[meeting[1]], now)
        else:
            logs[name].write(Write(tuple(Booking(name, "6.12", slot) for slot in HOURS[first:])), now)
            made.append(now)
        for log in logs.values():
            booked = log.play()
            for stamp in made:
                if log.is_final(stamp):
                    assert final.setdefault(stamp, booked.get(stamp)) == booked.get(stamp)
    assert set(final) == set(made)
    assert logs["a"].play() == logs["b"].play() == logs["c"].play()


@pytest.fixture
def stories_of(simulation: SimulatedDriver) -> Callable[[list[str]], dict[str, Story]]:
    def play_all(lines: list[str]) -> dict[str, Story]:
        stories = [play(design(), lines) for design in DESIGNS]
        stories.append(play_bayou(simulation, lines, lambda _: None))
        simulation.close()
        return {story.design: story for story in stories}

    return play_all


StoriesOf = Callable[[list[str]], dict[str, Story]]


def read(name: str) -> list[str]:
    return read_script((SCRIPTS / name).read_text(encoding="utf-8").splitlines())


def test_three_users_reserve_one_room_across_a_cut_link(stories_of: StoriesOf) -> None:
    stories = stories_of(read("same_room.test"))
    kept, twice = called.KEPT, called.TWICE
    assert {design: verdicts(story) for design, story in stories.items()} == {
        "a central server": [kept, called.CUT_OFF, called.CUT_OFF, kept, called.CUT_OFF],
        "last writer wins": [called.LOST, kept, kept, twice, twice],
        "a grow-only set": [twice, twice, kept, twice, twice],
        "a two-phase set": [twice, twice, kept, twice, twice],
        "an observed-remove set": [twice, twice, kept, twice, twice],
        "an operation-based set": [twice, twice, kept, twice, twice],
        "commit by stable stamps": [kept, called.MOVED, kept, kept, called.REJECTED],
        "Bayou": [kept, called.MOVED, kept, kept, called.REJECTED],
    }
    assert [row.was_final for row in stories["Bayou"].rows] == [True, False, False, True, False]
    assert all(row.is_final for row in stories["Bayou"].rows if row.belief)
    assert stories["an operation-based set"].sent == {"operations": 10}
    assert stories["a grow-only set"].sent["elements in them"] > 10
    assert stories["Bayou"].sent["writes"] == 10  # five, each to two other servers
    assert all(story.agrees for story in stories.values())


def test_a_cancelled_reservation_is_made_again(stories_of: StoriesOf) -> None:
    stories = stories_of(read("change_of_mind.test"))
    assert {design: verdicts(story)[0] for design, story in stories.items()} == {
        design: called.STUCK if design == "a grow-only set" else called.CANCELLED for design in stories
    }
    assert stories["a two-phase set"].rows[2].refusal == "cancelled once, so never again"
    assert verdicts(stories["an operation-based set"])[2] == called.KEPT
    assert verdicts(stories["an observed-remove set"])[2] == called.KEPT
    assert verdicts(stories["Bayou"])[1] == called.MOVED  # to its first choice, which is free again


def test_the_last_writer_overwrites_each_room_of_several(stories_of: StoriesOf) -> None:
    nine = "2026-12-01T09:00/10:00"
    lines = ["joinServer a", "joinServer b", "joinClient x a", "joinClient y b", "breakConnection a b"]
    lines += [f"reserve x 6.12+6.14 {nine}", f"reserve x 6.13+6.15 {nine}", f"reserve y 6.14 {nine}"]
    lines += ["restoreConnection a b", f"reserve x 6.12 {nine}", "cancel x r2", f"reserve y 6.15 {nine}"]
    stories = stories_of(lines)
    kept = called.KEPT
    assert verdicts(stories["last writer wins"]) == [called.LOST, called.CANCELLED, kept, kept, kept]
    assert verdicts(stories["a grow-only set"])[:3] == [called.TWICE, called.STUCK, called.TWICE]
    assert verdicts(stories["Bayou"])[:3] == [kept, called.CANCELLED, called.REJECTED]


def test_one_server_that_is_off_stops_all_commits_by_stable_stamps(stories_of: StoriesOf) -> None:
    stories = stories_of(read("one_is_off.test"))
    assert not any(row.is_final for row in stories["commit by stable stamps"].rows)
    assert all(row.is_final for row in stories["Bayou"].rows)


@pytest.mark.slow
def test_bayou_and_the_central_server_never_book_twice(stories_of: StoriesOf) -> None:
    """Random scripts run under three designs: Bayou, a central server and stable stamps. No design books a slot twice
    or loses a booking."""
    chosen = random.Random(4)
    for _ in range(6):
        lines = ["joinServer a", "joinServer b", "joinServer c", "joinClient x a", "joinClient y b", "joinClient z c"]
        for _ in range(25):
            one, other = chosen.sample("abc", 2)
            hour = chosen.randrange(9, 12)
            wishes = f"2026-12-01T{hour:02}:00/{hour + 1}:00 or 2026-12-01T{hour + 1}:00/{hour + 2}:00"
            lines += chosen.choices(
                [f"reserve {chosen.choice('xyz')} 6.12 {wishes}", f"cancel {chosen.choice('xyz')} r{hour - 8}",
                 f"breakConnection {one} {other}", f"restoreConnection {one} {other}"], [4, 1, 2, 2],
            )  # fmt: skip
        lines += [f"restoreConnection {pair}" for pair in ("a b", "a c", "b c")]
        stories = stories_of(lines)
        assert all(story.agrees for story in stories.values())
        for design in ("a central server", "commit by stable stamps", "Bayou"):
            assert not {called.TWICE, called.LOST} & set(verdicts(stories[design])), (design, lines)


@pytest.mark.parametrize("name", sorted(set(USAGES) - set(COMMANDS)))
def test_a_command_that_cannot_be_compared_is_refused(name: str) -> None:
    with pytest.raises(NotComparable, match=rf"^line 2: {name} cannot be compared, .* reserve and cancel\.$"):
        read_script(["joinServer a", f"{name} {' '.join('x' * USAGES[name][1])}"])


@pytest.mark.process
def test_compare_prints_tables_or_the_error_of_a_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "on_stop", lambda _: None)
    wrong = tmp_path / "it.test"
    wrong.write_text("joinServer a\nreserve x 6.12 tomorrow\n", encoding="utf-8")
    assert comparing.compare(wrong) == 2
    assert capsys.readouterr() == (
        "",
        f"{wrong}: line 2: tomorrow is not a time; write it like 2026-12-01T09:00/10:00 (UTC)\n",
    )
    assert comparing.compare(SCRIPTS / "same_room.test") == 0
    printed = capsys.readouterr().out
    assert "✗ lost without notice: priyal has it" in printed
    assert "r2  priyal   ? 6.12 09:00–10:00   ✓ 6.12 10:00–11:00   → moved, and notified" in printed
    assert "Bayou                        ✓ 3    → 1       ⊘ 1" in printed
    assert "an operation-based set  operations: 10" in printed
    for script in sorted(SCRIPTS.glob("*.test")):
        assert comparing.compare(script) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_several_rooms_leave_a_blank_before_the_next_column(stories_of: StoriesOf) -> None:
    stories = stories_of(["joinServer a", "joinClient x a", "reserve x 6.12+6.14 2026-12-01T09:00/10:00"])
    printed = re.sub(r"\x1b\[\d+m", "", "\n".join(table(1, stories["Bayou"])))
    assert "✓ 6.12+6.14 09:00–10:00 ✓ 6.12+6.14 09:00–10:00 ✓ has it" in printed


@pytest.mark.usefixtures("colours")
def test_no_letters_are_white_or_yellow(cluster_command: ClusterCommand) -> None:
    """White or yellow text is hard to read on a light terminal."""
    printed = cluster_command("compare", str(SCRIPTS / "change_of_mind.test")).stdout
    assert "∅ refused: taken" in printed
    assert "\x1b[32m✓ has it" in printed
    assert not {"33", "37", "93", "97"} & set(re.findall(r"\x1b\[(\d+)m", printed))


@pytest.mark.process
def test_compare_stops_between_tables(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    script = str(SCRIPTS / "one_is_off.test")
    terminal = Terminal("cluster.py", "compare", script, environment=environment, cwd=tmp_path)
    try:
        terminal.expect("The requests, in order")
        terminal.expect("q end")
        terminal.type("\r")
        terminal.expect("a central server")
        terminal.expect("← back")
        terminal.type("b")
        terminal.expect("The requests, in order")
        terminal.type("q")
        assert terminal.ended() == 0
    finally:
        terminal.close()
