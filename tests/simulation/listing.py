"""The append-only lists of the applications: what each write adds according to its application's contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bayou.write import Write
from tests.simulation.demand import Demand

Entry = tuple[str, str]  # list, member


def entries(write: Write) -> set[Entry]:
    """Return the entries that a write adds, whatever its outcome."""
    args, user = write.args, f"user:{write.user}"
    if (write.app, write.op) == ("people/1", "add"):
        return {("people", args["name"])}
    if (write.app, write.op) == ("playlist/1", "put"):
        return {("songs", args["song"])}
    if write.app != "rooms/1" or write.op in {"cancel", "cancel_series"}:
        return set()
    wishes = [args, *args.get("occurrences", ())]
    found = {("rooms", room) for wish in wishes for room in (wish.get("room"), *wish.get("rooms", ())) if room}
    if write.op == "reserve":
        found.add((user, write.request))
    if write.op == "reserve_series":
        found |= {(user, f"{write.request}~{occurrence['date']}") for occurrence in args["occurrences"]}
    return found


def judge_lists(
    demand: Demand, label: str, keys: dict[str, Any], held: Iterable[Write], known: Iterable[Write]
) -> None:
    """Check invariant 19: the lists hold what the writes of the log ask for, and nothing that no write asked for.

    `keys` has all keys of a node without their prefix, `held` the writes that the node holds, and `known` all writes of
    the run.
    """
    names = {name.decode() for name in keys.get("lists", ())}
    shown = {(name, member.decode()) for name in names for member in keys.get(f"list:{name}", ())}
    wanted = {entry for write in held for entry in entries(write)}
    demand(19, wanted <= shown, label, "lists lack", sorted(wanted - shown)[:3])
    asked = {entry for write in known for entry in entries(write)}
    demand(19, shown <= asked, label, "lists hold what nobody asked for", sorted(shown - asked)[:3])
