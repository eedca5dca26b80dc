"""How the scenario language prints the answers of servers: logs, calendars, reservations, vectors.

The functions are pure: they depend only on the JSON of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cluster.drivers.driver import BEGINNING_US
from cluster.language.parser import Slot
from cluster.language.world import client_of

Json = Mapping[str, Any]


class Names:
    """The names in a script for server ids, in the order in which the servers joined.

    If a server gets a second server id, this id is printed as `NAME#2`.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._identities: dict[str, int] = {}

    def learn(self, server_id: str, identifier: str) -> None:
        """Record `identifier` as the script's name for this server id."""
        if server_id not in self._names:
            number = self._identities[identifier] = self._identities.get(identifier, 0) + 1
            self._names[server_id] = identifier if number == 1 else f"{identifier}#{number}"

    def name(self, server_id: str) -> str:
        return self._names.get(server_id, server_id)

    def in_order(self, vector: Mapping[str, str | int]) -> list[str]:
        """Return the server ids of a vector in the order of joining, with unknown ids last."""
        known = [server_id for server_id in self._names if server_id in vector]
        return known + sorted(set(vector) - set(known))


def log_line(write: Json) -> str | None:
    """Return the line for a write in the log. Return None if the write does not belong to playlist or rooms. If a
    `reserve` is committed but has no slot, the line says REJECTED."""
    described, op, app = write["describe"], write["op"], write["app"].partition("/")[0]
    if app == "playlist":
        what = f"{described['song']}, {described['url']}" if op == "put" else described["song"]
    elif app == "rooms":
        what = f"{client_of(write['user'])}, {described['room']}"
    else:
        return None
    is_rejected = app == "rooms" and op == "reserve" and not described["result"]
    committed = "REJECTED" if is_rejected else "TRUE"
    return f"{op.upper()}:({what}):{committed if write['csn'] is not None else 'FALSE'}"


def reservation_line(name: str, reservation: Json) -> str:
    """Return the line for a reservation: NAME ROOM WHEN STATE. WHEN is `-` if the reservation has no slot."""
    slot = reservation["slot"]
    return f"{name} {reservation['room']} {_slot(slot) if slot else '-'} {reservation['state']}"


def calendar_line(entry: Json, day: date) -> str:
    """Return the line for a reservation in the calendar of one room and day."""
    return f"{_slot(entry).hours(day)} {client_of(entry['user'])} {entry['state']}"


def short_time(times: Json) -> str:
    """Return a slot as text. A slot of one full hour is shown as its start, such as `09:00`. Any other slot is shown
    with its end, such as `09:30–10:30`."""
    slot = _slot(times)
    if slot.end - slot.start == timedelta(hours=1) and slot.start.minute == 0:
        return f"{slot.start:%H:%M}"
    return slot.hours(slot.start.date()).replace("/", "–")


def day_query(day: date) -> dict[str, str]:
    """Return the query that asks for the calendar of one day (UTC)."""
    start = datetime.combine(day, time(), UTC)
    return {"from": start.isoformat(), "to": (start + timedelta(days=1)).isoformat()}


def vector_lines(replica: Json, names: Names) -> Iterator[str]:
    """Yield the lines of `printVectors` from an answer to `GET /replica`. Stamps are in seconds since the beginning of
    the script.

    Each line of a script takes one second. So if the clock of a server is right, the stamp of a write is the number of
    the line that made the write.
    """
    for name in ("V", "C", "O"):
        yield f"{name} {vector_text(replica['vectors'][name], names)}"
    yield f"CSN {replica['csn']}"
    yield f"OSN {replica['osn']}"
    yield f"epoch {replica['epoch']['number']}"
    primary = replica["primary"]["id"]
    yield f"primary {names.name(primary) if primary else '-'}"


def vector_text(vector: Mapping[str, str | int], names: Names) -> str:
    """Return a vector in the form of `printVectors`; `-` if it is empty."""
    return " ".join(f"{names.name(server)}:{stamp_text(vector[server])}" for server in names.in_order(vector)) or "-"


def stamp_text(stamp: str | int) -> str:
    """Return a stamp in seconds since the beginning of the script."""
    return f"{(int(stamp) - BEGINNING_US) / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _slot(times: Json) -> Slot:
    return Slot(*(datetime.fromisoformat(times[end]).astimezone(UTC) for end in ("start", "end")))
