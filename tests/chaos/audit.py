"""The end of a chaos run: wait until the replicas agree, and then compare the answers of one replica with the
acknowledged operations."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from cluster.local import ROOMS
from cluster.waiting import TooLong, wait_until
from tests.chaos.books import CANCEL, INSERT, MOVE, RESERVE, Acknowledged, Books, Slot
from tests.chaos.clients import DAYS, FIRST, RELATION, WINDOW_MIN
from tests.chaos.replicas import Replicas

QUIET_S_MAX = 120.0
FORCE_TIMEOUT_S = 30.0
DONE = {"updated", "merged"}  # outcomes of operations that did something


@dataclass(slots=True)
class Findings:
    """The findings of the audit at the end of a run. The audit adds each error to one of the lists.

    The list `destroyed` has operations that existed only in a storage that the test destroyed. These are not errors.
    `outcomes` counts the final outcomes of the acknowledged operations RESERVE and MOVE whose write is known.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    not_cancelled: list[str] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        """Return one line for each error."""
        named = {
            "lost": self.lost,
            "doubled": self.doubled,
            "misplaced": self.misplaced,
            "overlapping": self.overlapping,
            "not cancelled": self.not_cancelled,
        }
        return [f"{name}: {identifier}" for name, found in named.items() for identifier in found]


def promote_if_no_primary(replicas: Replicas) -> str | None:
    """If no replica is the primary, promote the replica with the highest CSN by force, and return its label.

    Return None if there is a primary. A run may lose its primary, because a primary whose log may lack writes takes a
    new id. Under the new id, the replica is not the primary.
    """
    found = {label: replicas.look(label) for label in replicas.labels}
    if any(look["primary"]["here"] for look in found.values() if look):
        return None
    heir = max(found, key=lambda label: found[label]["csn"] if found[label] else -1)
    replicas.post(heir, "/replica/promote", {"force": True}, FORCE_TIMEOUT_S).raise_for_status()
    return heir


def await_quiet(replicas: Replicas) -> None:
    """Wait until all replicas have equal pages and no tentative write (invariant 14 of docs/design.md)."""

    def quiet() -> bool:
        with contextlib.suppress(requests.RequestException):
            digests = [replicas.get(label, "/replica/digest") for label in replicas.labels]
            return all(
                digest == digests[0] and digest["committed"] == digest["tentative"] for digest in digests
            ) and all(replicas.get(label, "/replica")["tentative"] == 0 for label in replicas.labels)
        return False

    try:
        wait_until(quiet, QUIET_S_MAX, "all replicas are equal, without tentative writes")
    except TooLong as problem:
        shown = [json.dumps(replicas.look(label)) + "\n" + replicas.output(label) for label in replicas.labels]
        raise TooLong("\n".join([str(problem), *shown])) from None


def audit(replicas: Replicas, books: Books, users: list[str]) -> Findings:
    """Compare `books` with the answers of one replica: reservations, histories, calendars and records. One replica is
    enough, because all replicas are equal before the audit."""
    label = replicas.labels[-1]
    held = {found["id"]: found for user in users for found in _reservations(replicas, label, user)}
    placed = defaultdict(list)
    findings = Findings()
    period = {"from": FIRST.isoformat(), "to": (FIRST + timedelta(days=DAYS + 2)).isoformat(), "view": "committed"}
    for room in ROOMS:
        before: dict[str, Any] | None = None
        for entry in replicas.get(label, f"/rooms/{room}/calendar", **period)["reservations"]:
            placed[entry["id"]].append((room, entry["start"], entry["end"]))
            if before and entry["start"] < before["end"]:
                findings.overlapping.append(f"{before['id']} and {entry['id']}")
            before = entry
    operations = defaultdict(list)
    for done in books.entries():
        operations[done.identifier].append(done)
    inserted = {identifier for identifier, done in operations.items() if done[0].op == INSERT}
    _check_records(replicas, label, inserted, users, books, findings)
    for identifier in sorted(held.keys() | placed.keys() | operations.keys() - inserted):
        _check(identifier, held.get(identifier), placed[identifier], books, findings)
        if identifier in held:
            events = replicas.get(label, f"/reservations/{identifier}/history")["events"]
            _check_history(held[identifier], events, operations[identifier], books, findings)
    return findings


def _reservations(replicas: Replicas, label: str, user: str) -> Iterator[dict[str, Any]]:
    """Yield all reservations of a user, read from a replica part by part."""
    after: str | None = ""
    while after is not None:
        part = replicas.get(label, f"/users/{user}/reservations", **({"after": after} if after else {}))
        yield from part["reservations"]
        after = part.get("next")


def records_of(replicas: Replicas, label: str, users: list[str]) -> list[str]:
    """Return the identifiers of all records that clients have inserted."""
    relation, listed = RELATION["relation"], ", ".join(f"'{user}'" for user in users)
    sql = f"SELECT client, number FROM {relation} WHERE client IN ({listed})"
    return [f"{row['client']}/{row['number']}" for row in replicas.get(label, "/records", query=sql)["rows"]]


def _check_records(
    replicas: Replicas, label: str, inserted: set[str], users: list[str], books: Books, findings: Findings
) -> None:
    """Add lost and doubled records to the findings. If a request was carried out twice, the second insert is a
    conflict, because the first insert has taken the key of the record."""
    found = Counter(records_of(replicas, label, users))
    findings.lost += sorted(inserted - found.keys() - books.destroyed)
    findings.destroyed += sorted((inserted - found.keys()) & books.destroyed)
    findings.doubled += [name for name, count in found.items() if count > 1 or not books.asked[name, INSERT]]
    conflicts = replicas.get(label, f"/relations/{RELATION['relation']}/conflicts")["conflicts"]
    findings.doubled += [f"record: {conflict}" for conflict in conflicts]


def _check(
    identifier: str, found: dict[str, Any] | None, entries: list[tuple[str, str, str]], books: Books, findings: Findings
) -> None:
    """Add the errors of one reservation to the findings.

    `found` is the reservation at the replica, or None. `entries` are its entries in the calendars: (room, start, end).
    """
    if len(entries) > 1:
        findings.doubled.append(identifier)
    if found is None:
        if entries:
            findings.misplaced.append(identifier)
        elif identifier in books.destroyed:
            findings.destroyed.append(identifier)
        else:
            findings.lost.append(identifier)
        return
    slot = found["slot"]
    where = [(found["room"], slot["start"], slot["end"])] if slot else []
    stands = {"committed": 1, "rejected": 0, "cancelled": 0}.get(found["state"])
    if where != entries or len(entries) != stands or not found["final"]:
        findings.misplaced.append(f"{identifier} is {found['state']} at {where}, and the calendar has {entries}")
    if found["state"] == "cancelled" and not books.asked[identifier, CANCEL]:
        findings.lost.append(f"{identifier}, which nobody cancelled")


def _check_history(
    found: dict[str, Any],
    events: list[dict[str, Any]],
    operations: list[Acknowledged],
    books: Books,
    findings: Findings,
) -> None:
    """Add the errors of the history of one reservation to the findings. A history without errors meets these
    conditions:

    1. Each acknowledged operation has one event. The request allows the outcome of this event.
    2. The slot after the last event is the slot that the replicas show.
    3. No request was done twice.
    """
    identifier = found["id"]
    by_write = {event["write"]: event for event in events}
    for op in (RESERVE, MOVE):
        done = sum(event["op"] == op and event["outcome"] in DONE for event in events)
        if done > books.asked[identifier, op]:
            findings.doubled.append(f"{op} of {identifier}: {done} times")
    slot = found["slot"]
    if events and events[-1]["after"] != (slot and {"room": found["room"], **slot}):
        findings.misplaced.append(f"{identifier} stands at {slot}, and its history ends with {events[-1]}")
    for done in operations:
        event = by_write.get(done.write or "")
        if event is None:
            if done.asked_once and done.write is not None:
                gone = findings.destroyed if identifier in books.destroyed else findings.lost
                gone.append(f"{done.op} of {identifier}: {done.write} is not in {list(by_write)}")
        elif event["op"] != done.op or event["csn"] is None or not _fits(done, event):
            findings.misplaced.append(f"{done} has the event {event}")
        elif done.told is not None:
            as_told = event["outcome"] in DONE and _slot_of(event["after"]) == done.told
            findings.outcomes["as told" if as_told else f"{event['outcome']} after all"] += 1
    if any(done.op == CANCEL for done in operations) and identifier not in books.destroyed and slot:
        findings.not_cancelled.append(f"{identifier}: {events}")


def _fits(done: Acknowledged, event: dict[str, Any]) -> bool:
    """Return whether the request of an operation allows the outcome in this event."""
    outcome, after = event["outcome"], _slot_of(event["after"])
    if outcome not in DONE or done.wanted is None:
        return outcome not in DONE or after is None  # a cancel leaves no slot
    if after is None:
        return False
    room, slots, merge = done.wanted.room, done.wanted.slots, done.wanted.merge
    if outcome == "updated":
        return after == (room, slots[0])
    name = merge if isinstance(merge, str) else merge["name"]
    where, (start, end) = after
    first_start, first_end = slots[0]
    return name != "give_up" and (
        (where == room and (start, end) in slots[1:])
        or (name == "another_room" and where != room and (start, end) == slots[0])
        or (
            name == "nearest_free_time"
            and where == room
            and end - start == first_end - first_start
            and abs(start - first_start) <= timedelta(minutes=WINDOW_MIN)
        )
    )


def _slot_of(shown: dict[str, str] | None) -> tuple[str, Slot] | None:
    if shown is None:
        return None
    return shown["room"], (datetime.fromisoformat(shown["start"]), datetime.fromisoformat(shown["end"]))
