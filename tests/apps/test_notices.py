"""The messages to users about their reservations: the texts, the times of sending, and the replica that sends them."""

from __future__ import annotations

import pytest

from replica.clock import microseconds
from tests.support.noticeboard import Told, meet, slot, told_replicas

NINE = "6.12 on Tuesday 2026-12-01 09:00–10:00"
TEN = "6.12 on Tuesday 2026-12-01 10:00–11:00"
STANDUP = f"{NINE} (“standup”)"
NOT_FINAL = "This is not final yet and can still change."


@pytest.fixture
def replicas() -> list[Told]:
    return told_replicas("one", "two")


def test_the_replica_that_accepted_a_reservation_tells_once_that_it_is_final(replicas: list[Told]) -> None:
    one, two = replicas
    two.reserve("vish", "a", 9)
    assert two.told(60) == [], "the answer to the request said where the reservation is"
    meet(two.store, one.store)
    assert two.told() == [("vish", f"{STANDUP} is yours. This is final.")]
    assert one.told(60) == []
    two.restart()
    assert two.told(60) == []


def test_a_message_says_the_time_zone_and_the_id(replicas: list[Told]) -> None:
    one, _ = replicas
    one.reserve("vish", "a", 9)
    while one.notifications.step():
        pass
    (message,) = one.inbox.messages
    assert message.subject == f"{NINE}: final"
    assert message.text == f"{STANDUP} is yours. This is final.\n\nTimes are in Europe/Brussels. The id is vish/a."
    assert message.about == "vish/a"


def displaced(one: Told, two: Told) -> None:
    """Let neil reserve an hour at `one`. Then let vish ask for the same hour at `two`, with the next hour as second
    choice. Then let the replicas meet."""
    one.reserve("neil", "first", 9)
    two.reserve("vish", "a", 9, 10)
    meet(two.store, one.store)


def test_a_tentative_move_is_told_after_thirty_seconds() -> None:
    _, one, two = told_replicas("primary", "one", "two")
    displaced(one, two)
    assert two.told() == []
    assert two.told(29) == []
    moved = f"{STANDUP} was moved to {TEN}, because neil has 6.12 at 09:00–10:00."
    assert two.told(2) == [("vish", f"{moved} {NOT_FINAL}")]
    assert two.told(60) == []


def test_a_move_of_several_rooms_says_which_of_them_was_taken(replicas: list[Told]) -> None:
    one, two = replicas
    one.reserve("neil", "first", 9, room="6.13")
    two.reserve("vish", "a", 9, 10, room="6.12+6.13")
    meet(two.store, one.store)
    both, later = NINE.replace("6.12", "6.12+6.13"), TEN.replace("6.12", "6.12+6.13")
    moved = f"{both} (“standup”) was moved to {later}, because neil has 6.13 at 09:00–10:00. This is final."
    assert two.told() == [("vish", moved)]


def test_a_reservation_that_is_back_within_thirty_seconds_is_not_told() -> None:
    primary, one, two, three = told_replicas("primary", "one", "two", "three")
    three.reserve("priyal", "first", 10)
    one.reserve("neil", "second", 9, 13, length=2)
    two.reserve("vish", "a", 9, 15)
    meet(two.store, one.store)
    assert two.told() == []
    assert two.ask("GET", "/reservations/vish/a")["slot"]["start"] == "2026-12-01T15:00:00+01:00"
    meet(two.store, three.store)
    assert two.ask("GET", "/reservations/vish/a")["slot"]["start"] == "2026-12-01T09:00:00+01:00"
    assert two.told(20) == []
    assert two.told(60) == []
    meet(two.store, primary.store)
    assert two.told() == [("vish", f"{STANDUP} is yours. This is final.")]


def test_a_change_is_held_from_its_first_moment_and_the_hold_survives_a_restart() -> None:
    _, one, two = told_replicas("primary", "one", "two")
    displaced(one, two)
    assert two.told() == []
    two.restart()
    assert len(two.told(31)) == 1
    two.restart()
    assert two.told(31) == []


def test_a_rejection_is_told_and_again_once_it_is_final(replicas: list[Told]) -> None:
    one, two = replicas
    one.reserve("neil", "first", 9)
    two.reserve("vish", "a", 9)
    meet(two.store, one.store)
    because = "an earlier reservation took the slot, and no other slot that the request allows is free"
    assert two.told() == [("vish", f"{STANDUP} was rejected: {because}. This is final.")]
    assert one.told() == [("neil", f"{STANDUP} is yours. This is final.")]


def test_a_final_move_says_who_has_the_room(replicas: list[Told]) -> None:
    one, two = replicas
    displaced(one, two)
    assert two.told() == [
        ("vish", f"{STANDUP} was moved to {TEN}, because neil has 6.12 at 09:00–10:00. This is final.")
    ]


def test_a_move_tells_and_the_earlier_write_of_the_reservation_does_not(replicas: list[Told]) -> None:
    one, two = replicas
    two.reserve("vish", "a", 9)
    two.ask("PATCH", "/reservations/vish/a", slots=[slot(10)], request="m")
    meet(two.store, one.store)
    assert two.told() == [("vish", f"{TEN} (“standup”) is yours. This is final.")]


def test_a_move_without_effect_says_where_the_reservation_stays(replicas: list[Told]) -> None:
    one, two = replicas
    two.reserve("vish", "a", 9)
    meet(two.store, one.store)
    two.told()
    one.reserve("neil", "first", 10)
    two.ask("PATCH", "/reservations/vish/a", slots=[slot(10)], request="m")
    meet(two.store, one.store)
    sentence = (
        "The move of vish/a (“standup”) had no effect: no slot that the request allows is free any more."
        f" The reservation has the slot {NINE}. This is final."
    )
    assert two.told() == [("vish", sentence)]


def test_what_users_do_to_their_own_reservations_is_not_told(replicas: list[Told]) -> None:
    one, two = replicas
    two.reserve("vish", "a", 9)
    two.ask("PATCH", "/reservations/vish/a", purpose="retrospective", request="e")
    assert two.told(60) == []
    two.ask("DELETE", "/reservations/vish/a?request=c")
    meet(two.store, one.store)
    assert two.told(60) == []


def test_a_series_is_told_in_one_message(replicas: list[Told]) -> None:
    one, two = replicas
    one.reserve("neil", "first", 9)
    body = {"rule": "FREQ=DAILY;COUNT=3", "request": "s", "purpose": "standup", "occurrences": "best_effort"}
    two.ask("POST", "/reservations", room="6.12", slots=[slot(9)], **body)
    meet(two.store, one.store)
    ((user, text),) = two.told()
    first, second, third = text.split("\n")
    assert (user, first[:40]) == ("vish", f"- {NINE}"[:40])
    assert "was rejected: an earlier reservation took the slot" in first
    assert second == "- 6.12 on Wednesday 2026-12-02 09:00–10:00 (“standup”) is yours. This is final."
    assert "Thursday" in third


def test_a_message_about_one_occurrence_names_that_occurrence() -> None:
    _, one, two = told_replicas("primary", "one", "two")
    tomorrow = [{name: text.replace("12-01", "12-02") for name, text in slot(9).items()}]
    one.ask("POST", "/reservations", "neil", room="6.12", slots=tomorrow, request="first")
    two.ask("POST", "/reservations", room="6.12", slots=[slot(9)], rule="FREQ=DAILY;COUNT=3", request="s")
    meet(two.store, one.store)
    assert two.told() == []
    two.clock.tick(31)
    while two.notifications.step():
        pass
    (message,) = two.inbox.messages
    assert (message.about, message.subject) == (
        "vish/s~2026-12-02",
        "6.12 on Wednesday 2026-12-02 09:00–10:00: rejected",
    )


def test_the_owner_is_told_what_a_manager_cancels() -> None:
    one, two = told_replicas("one", "two", managers=["boss"], users=["vish"])
    two.reserve("vish", "a", 9)
    meet(two.store, one.store)
    two.told()
    two.ask("DELETE", "/reservations/vish/a?request=c&reason=The room is painted.", "boss")
    sentence = f"boss has cancelled your reservation (“standup”): The room is painted. The requested slot was {NINE}."
    assert two.told() == []
    assert two.told(31) == [("vish", sentence)]
    meet(two.store, one.store)
    assert (two.told(60), one.told(60)) == ([], [])


def test_a_commit_that_a_forced_promotion_revokes_is_told_if_its_outcome_changes(replicas: list[Told]) -> None:
    one, two = replicas
    two.reserve("neil", "first", 9)
    one.reserve("vish", "a", 9, 10)
    one.reserve("vish", "b", 14)
    assert [text for _, text in one.told()] == [
        f"{STANDUP} is yours. This is final.",
        "6.12 on Tuesday 2026-12-01 14:00–15:00 (“standup”) is yours. This is final.",
    ]
    two.store.force("two~cccccc", microseconds(two.clock()))
    for _ in range(3):
        meet(one.store, two.store)
    assert one.store.digest() == two.store.digest()
    assert one.ask("GET", "/reservations/vish/b")["final"]
    moved = f"{STANDUP} was moved to {TEN}, because neil has 6.12 at 09:00–10:00. This is final."
    assert one.told(60) == [("vish", moved)]


def test_the_owner_is_told_what_somebody_else_makes_or_hands_over() -> None:
    (one,) = told_replicas("one", managers=["boss"], users=["vish", "neil"])
    body = {"room": "6.12", "slots": [slot(9)], "purpose": "standup", "request": "a", "owner": "vish"}
    one.ask("POST", "/reservations", "boss", **body)
    assert one.told() == [("vish", f"boss has made a reservation for you: {STANDUP}. This is final.")]
    one.ask("PATCH", "/reservations/boss/a", "vish", owner="neil", request="h")
    assert one.told() == [("neil", f"vish has handed a reservation over to you: {STANDUP}. This is final.")]
    one.ask("PATCH", "/reservations/boss/a", "neil", slots=[slot(10)], request="m")
    assert one.told() == [("neil", f"{TEN} (“standup”) is yours. This is final.")]
    one.ask("DELETE", "/reservations/boss/a?request=c&reason=painted", "boss")
    cancelled = f"boss has cancelled your reservation (“standup”): painted. The requested slot was {TEN}."
    assert one.told(60) == [("neil", cancelled)]


def test_a_reservation_that_was_handed_over_before_it_is_final_is_told_to_its_new_owner_alone() -> None:
    primary, one, two = told_replicas("primary", "one", "two")
    one.reserve("priyal", "first", 9)
    two.reserve("vish", "a", 9, 10)
    two.ask("PATCH", "/reservations/vish/a", "vish", owner="neil", request="h")
    assert two.told() == []
    handed_over = "vish has handed a reservation over to you"
    assert two.told(31) == [("neil", f"{handed_over}: {STANDUP}. {NOT_FINAL}")]
    meet(two.store, one.store)
    assert two.told() == []
    because = "because priyal has 6.12 at 09:00–10:00"
    assert two.told(31) == [("neil", f"{STANDUP} was moved to {TEN}, {because}. {NOT_FINAL}")]
    meet(two.store, primary.store)
    assert two.told(60) == [("neil", f"{TEN} (“standup”) is yours. This is final.")]


def test_the_owner_is_told_too_that_what_somebody_else_made_is_rejected() -> None:
    one, two = told_replicas("one", "two", managers=["boss"], users=["vish", "neil"])
    one.reserve("neil", "first", 9)
    body = {"room": "6.12", "slots": [slot(9)], "purpose": "standup", "request": "a", "owner": "vish"}
    two.ask("POST", "/reservations", "boss", **body)
    two.told()
    assert two.told(31) == [("vish", f"boss has made a reservation for you: {STANDUP}. {NOT_FINAL}")]
    meet(two.store, one.store)
    because = "an earlier reservation took the slot, and no other slot that the request allows is free"
    rejected = f"{STANDUP} was rejected: {because}. This is final."
    assert two.told() == [("boss", rejected), ("vish", rejected)]


def test_times_beyond_midnight(replicas: list[Told]) -> None:
    one, _ = replicas
    for start, end in (("02T22:00", "03T00:00"), ("03T08:00", "04T10:00")):
        slots = [{"start": f"2026-12-{start}+01:00", "end": f"2026-12-{end}+01:00"}]
        one.ask("POST", "/reservations", room="6.13", slots=slots, request=start[:2])
    assert [text for _, text in one.told()] == [
        "6.13 on Wednesday 2026-12-02 22:00–24:00 is yours. This is final.",
        "6.13 on Thursday 2026-12-03 08:00–Friday 2026-12-04 10:00 is yours. This is final.",
    ]


def test_a_purpose_stays_on_its_line(replicas: list[Told]) -> None:
    one, _ = replicas
    one.reserve("vish", "a", 9, purpose="stand\u00a0up “x” {user} $HOME")
    ((_, text),) = one.told()
    assert text == f"{NINE} (“stand up “x” {{user}} $HOME”) is yours. This is final."
