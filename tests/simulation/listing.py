"""The append-only lists of the applications. This module computes the entries that each write must add, and checks the
lists of a node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from bayou.write import Write
from tests.simulation.demand import Demand
from tests.support.model_rooms import offset_at

Entry = tuple[str, str]  # list, member
DAY_MIN = 24 * 60


def entries(write: Write) -> set[Entry]:
    """Return the entries that a write adds to lists. The outcome of the write does not matter."""
    args = write.args
    if (write.app, write.op) == ("people/1", "add"):
        return {("people", args["name"])}
    if (write.app, write.op) == ("playlist/1", "put"):
        return {("songs", args["song"])}
    if not write.app.startswith("rooms/") or write.op.startswith("cancel"):
        return set()
    if write.op.startswith("edit"):
        return owned(write) if "owner" in args else set()
    wishes = [args, *args.get("occurrences", ())]
    found = {
        ("rooms", room)
        for wish in wishes
        for rooms in (wish.get("room"), *wish.get("rooms", ()))
        if rooms
        for room in rooms.split("+")
    }
    if write.op in {"reserve", "reserve_series", "extend_series"}:
        found |= owned(write)
    if write.app != "rooms/1":
        found |= {("local_days", day) for one in args.get("occurrences", [{}]) for day in local_days({**args, **one})}
    return found


def owned(write: Write) -> set[Entry]:
    """Return the list entries for the reservations that a write makes or hands over. Each entry belongs to the list of
    the reservation's owner."""
    subject = write.args.get("reservation") or write.args.get("series", "")
    subject = f"{write.user}/{write.request}" if write.op.startswith("reserve") else subject
    owner, (user, _, request) = write.args.get("owner", write.user), subject.partition("/")
    name = request if user == owner else subject
    days = [f"~{occurrence['date']}" for occurrence in write.args.get("occurrences", ())]
    return {(f"user:{owner}", f"{name}{day}") for day in days or [""]}


def local_days(args: Mapping[str, Any]) -> Iterator[str]:
    """Yield the entries that a request adds to the list `local_days`.

    There is an entry for each UTC day on which a slot of the request may begin or end. An entry has the day, and the
    offset of local time on this day. If the request names a time zone, the entry also has the time zone.
    """
    zone = f" {args['zone']}" if args.get("own_zone") else ""
    slots = [slot.split("/") for slot in args["slots"].split()]
    ends = [(int(start), int(stop)) for start, stop in slots]
    times = [(minute // DAY_MIN, at) for start, stop in ends for minute, at in ((start, start), (stop - 1, stop))]
    if "window_min" in args:
        low, high = args["day_start"], args["day_end"]
        low, high = max(low, ends[0][0] - args["window_min"]), min(high, ends[0][1] + args["window_min"])
        for day in range(low // DAY_MIN, (high - 1) // DAY_MIN + 1):
            times += [(day, max(low, day * DAY_MIN)), (day, min(high, (day + 1) * DAY_MIN))]
    for day, minute in times:
        yield f"{date(1970, 1, 1) + timedelta(days=day)} {offset_at(args['offsets'], minute)}{zone}"


def judge_lists(
    demand: Demand, label: str, keys: dict[str, Any], held: Iterable[Write], known: Iterable[Write]
) -> None:
    """Check invariant 19 for the lists of a node.

    The lists must have all entries that the node's writes (`held`) add. Each entry in the lists must come from a write
    of the run (`known`). `keys` maps each key of the node, without the prefix, to its content.
    """
    names = {name.decode() for name in keys.get("lists", ())}
    shown = {(name, member.decode()) for name in names for member in keys.get(f"list:{name}", ())}
    wanted = {entry for write in held for entry in entries(write)}
    demand(19, wanted <= shown, label, "lists lack", sorted(wanted - shown)[:3])
    asked = {entry for write in known for entry in entries(write)}
    demand(19, shown <= asked, label, "lists hold what nobody asked for", sorted(shown - asked)[:3])
