"""The end of a chaos run: wait until the replicas agree, and compare their reservations with the clients' records."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests

from cluster.local import ROOMS
from cluster.waiting import TooLong, wait_until
from tests.chaos.books import Books
from tests.chaos.clients import DAYS, FIRST
from tests.chaos.replicas import Replicas

QUIET_S_MAX = 120.0
FORCE_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Findings:
    """The reservations with errors at the end of a run, by kind of error.

    `destroyed` is not an error: it lists the reservations that were held only by a storage that the test destroyed.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    not_cancelled: list[str] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)

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
    """If no replica is the primary, promote the one with the highest CSN by force, and return its label.

    Return None if there is a primary. A primary whose log may lack writes takes a new id, and is then no longer the
    primary.
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
    """Compare the reservations and calendars of one replica with the clients' records. One replica is enough, because
    all replicas are equal by then."""
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
    for identifier in sorted(held.keys() | placed.keys() | books.acknowledged.keys()):
        _check(identifier, held.get(identifier), placed[identifier], books, findings)
    return findings


def _reservations(replicas: Replicas, label: str, user: str) -> Iterator[dict[str, Any]]:
    """Yield all reservations of a user, read from a replica part by part."""
    after: str | None = ""
    while after is not None:
        part = replicas.get(label, f"/users/{user}/reservations", **({"after": after} if after else {}))
        yield from part["reservations"]
        after = part.get("next")


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
    if found["state"] == "cancelled" and identifier not in books.cancels_asked:
        findings.lost.append(f"{identifier}, which nobody cancelled")
    lost_cancel = identifier in books.cancelled and identifier not in books.destroyed
    if lost_cancel and found["state"] != "cancelled":
        findings.not_cancelled.append(identifier)
