"""Checks the promises to users about rooms, series, policies and people. The checks read pages and the committed log.

This module does not play any write. It checks that the outcome and the pages of a commit are possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from apps.people.pages import OPERATOR, person_page
from apps.rooms.pages import decode_reservation, decode_series
from bayou.application import MEMBERSHIP
from bayou.write import Write
from tests.support.model_desk import Pages

Demand = Callable[..., None]  # (number of an invariant, whether it holds, *message)
Commit = tuple[Write, str, Pages]  # (write, outcome, changed pages)
DONE = {"updated", "merged"}
ROOMS = {"rooms/1", "rooms/2"}


def judge_pages(demand: Demand, label: str, pages: Pages) -> None:
    """Check that no reservations overlap (invariant 8). Check that pages of rooms agree with pages of reservations
    (invariant 13)."""
    slots_of: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for name, fields in pages.items():
        if not name.startswith("room:"):
            continue
        end_before = ""
        for start in sorted(fields):
            end, people, request, *_ = fields[start].split("\t")
            user = people.split(" ")[0]
            demand(8, start >= end_before, label, name, "overlap at", start)
            end_before = end
            slots_of[f"{user}/{request}"].add((name, start, end))
    for name, fields in pages.items():
        if not name.startswith("reservation:") or not fields:
            continue
        identifier = name.removeprefix("reservation:")
        held = decode_reservation(fields)
        slot = held.slot if held else None
        if held and slot:
            demand(13, set(slot.pages) <= set(held.room_pages), label, identifier, "a cancel would miss its page")
        said = {(page, f"{slot.start:08}", f"{slot.end:08}") for page in slot.pages} if slot else set()
        stands = slots_of.pop(identifier, set())
        demand(13, stands == said, label, identifier, "says that it stands at", said, "and stands at", stands)
        judge_series(demand, label, pages, identifier)
    demand(13, not slots_of, label, "in rooms, and no reservations:", slots_of)


def judge_series(demand: Demand, label: str, pages: Pages, identifier: str) -> None:
    """Check invariant 13 for the id of a series or of an occurrence.

    Each occurrence of a series must have a page. The series of an occurrence must exist, and must have the date of the
    occurrence.
    """
    series = decode_series(pages[f"reservation:{identifier}"])
    for member in series.occurrences(identifier).values() if series else ():
        demand(13, bool(pages.get(f"reservation:{member}")), label, identifier, "lacks its occurrence", member)
    whole, is_occurrence, day = identifier.partition("~")
    if is_occurrence:
        series = decode_series(pages.get(f"reservation:{whole}", {}))
        demand(13, series is not None and day in series.dates, label, identifier, "belongs to no series", whole)


def judge_commits(demand: Demand, commits: Sequence[Commit]) -> None:
    """Check these invariants on a committed log, from its beginning:

    16  a series with the option all_or_nothing has all its slots, or nothing was changed
    17  a write respects its limit on open reservations, and each user's page lists the user's open reservations
    18  only permitted users changed reservations and people; a write had no effect if its user was revoked or had too
        low a role
    """
    roles: dict[str, str | None] = {}  # of everybody who was ever added; None for a person who was revoked
    pages: Pages = {}
    for write, outcome, changes in commits:
        assert outcome != "failed", f"{write.id} was drafted as the product does, and cannot be played"
        before, pages = pages, {**pages, **changes}
        if judge_authority(demand, roles, write, outcome):
            continue
        if write.app == "people/1":
            judge_managing(demand, roles, write, outcome)
        if write.app in ROOMS:
            judge_owner(demand, roles, write, outcome, before)
            judge_wholeness(demand, write, outcome, before, pages)
            judge_open(demand, write, outcome, pages)
    judge_listed(demand, commits, pages)


def subject_of(write: Write) -> str:
    """Return the id of the reservation or series that a write makes, moves or cancels."""
    if write.op.startswith("reserve"):
        return f"{write.user}/{write.request}"
    return str(write.args.get("reservation") or write.args["series"])


def owner_on(pages: Pages, identifier: str) -> str:
    """Return who owns this reservation or series, as the pages say."""
    return pages.get(f"reservation:{identifier}", {}).get("owner") or identifier.partition("/")[0]


def owners_of(write: Write, before: Pages) -> set[str]:
    """Return the owners of all reservations that a write may make or change. `before` has the pages on which the write
    is played."""
    subject = subject_of(write)
    members = [subject, *(f"{subject}~{occurrence['date']}" for occurrence in write.args.get("occurrences", ()))]
    if write.op.startswith("reserve"):
        return {write.args.get("owner", write.user)}
    return {*(owner_on(before, member) for member in members), write.args.get("owner", write.user)}


def done_of(write: Write, outcome: str) -> list[bool]:
    """Return one value for each change of a write. The value is true if the change succeeded.

    A write about a series makes one change for each occurrence. Any other write makes one change.
    """
    told = outcome.partition(" ")[2].split("\t") if write.op.endswith("_series") else [outcome]
    return [one.partition(" ")[0] in DONE for one in told]


def judge_authority(demand: Demand, roles: dict[str, str | None], write: Write, outcome: str) -> bool:
    """Check invariant 18: a write is forbidden exactly if its user's role does not allow the write. The commits before
    the write decide the role.

    Return whether the write is forbidden because of the role.
    """
    needs_manager = write.op in {"define", "drop"} or write.args.get("by_manager")
    needed = {"manager"} if needs_manager else {"user", "manager"}
    may = write.app == MEMBERSHIP or write.user not in roles or roles[write.user] in needed
    is_judged = outcome.startswith("forbidden ")
    demand(18, is_judged != may, write.id, write.op, "by", write.user, roles.get(write.user), outcome)
    return is_judged


def judge_managing(demand: Demand, roles: dict[str, str | None], write: Write, outcome: str) -> None:
    """Check invariant 18 for a write about people: only a manager or the operator may change people.

    Then change `roles` as the write does.
    """
    may = write.user == OPERATOR or roles.get(write.user) == "manager"
    demand(18, (outcome != "forbidden") == may, write.id, write.op, "by", write.user, roles.get(write.user), outcome)
    if outcome == "updated" and write.op == "revoke":
        roles[write.args["name"]] = None
    elif outcome == "updated" and write.op != "token":
        roles[write.args["name"]] = write.args["role"]


def judge_owner(demand: Demand, roles: dict[str, str | None], write: Write, outcome: str, before: Pages) -> None:
    """Check invariant 18: only the owner may change a reservation, apart from two cases.

    First, a manager may cancel the reservation with a reason. The write must declare the manager's page, because the
    manager's role is read from this page.

    Second, a manager may hand over the reservation, or make a reservation for somebody else. `judge_authority` checks
    that the user of such a write is a manager.
    """
    needs_manager = bool(write.args.get("by_manager"))
    if write.op.startswith("reserve"):
        demand(18, needs_manager or write.args.get("owner", write.user) == write.user, write.id, "is for another")
        return
    is_again = outcome == "duplicate" and "owner" in write.args
    if write.user == owner_on(before, subject_of(write)) or outcome.startswith("unknown") or is_again:
        return
    declares_user = person_page(write.user) in write.pages
    cancels = write.op.startswith("cancel") and bool(write.args.get("reason")) and declares_user
    hands_over = write.op.startswith("edit") and "owner" in write.args and "purpose" not in write.args
    may = (cancels and roles.get(write.user) == "manager") or (hands_over and needs_manager)
    demand(18, (outcome != "forbidden") == may, write.id, write.op, "by", write.user, roles.get(write.user), outcome)


def judge_wholeness(demand: Demand, write: Write, outcome: str, before: Pages, after: Pages) -> None:
    """Check invariant 16 for a series with the option all_or_nothing. Either every occurrence has a slot, or no slot
    has changed."""
    if write.args.get("occurrences_wanted") != "all_or_nothing" or " " not in outcome:
        return
    series = f"{write.user}/{write.request}" if write.op == "reserve_series" else write.args["series"]
    members = [f"reservation:{series}~{occurrence['date']}" for occurrence in write.args["occurrences"]]
    done = set(done_of(write, outcome))
    demand(16, len(done) == 1, write.id, "is half done:", outcome)
    earlier, later = ([decode_reservation(pages.get(page, {})) for page in members] for pages in (before, after))
    if done == {True}:
        demand(16, all(one and one.slot for one in later), write.id, "lacks a slot:", outcome)
    else:
        same = [one and one.slot for one in earlier] == [one and one.slot for one in later]
        demand(16, same, write.id, "got nothing, and something has moved:", outcome)


def judge_open(demand: Demand, write: Write, outcome: str, pages: Pages) -> None:
    """Check invariant 17 for a write that has made a reservation. If the write has a limit, the owner's open
    reservations must not exceed the limit."""
    limit = write.args.get("limit")
    if limit and write.op.startswith("reserve") and any(done_of(write, outcome)):
        owner = write.args.get("owner", write.user)
        ends = pages.get(f"user:{owner}", {}).values()
        count = sum(int(end) > limit["at"] for end in ends)
        demand(17, count <= limit["open"], write.id, owner, "holds", count, "of", limit["open"])


def judge_listed(demand: Demand, commits: Sequence[Commit], pages: Pages) -> None:
    """Check invariant 17: the page of a user lists exactly the user's open reservations.

    Some writes were made while no policy limited open reservations. Such a write does not declare the user's page, so
    the write cannot change that page. If there is such a write about a user's reservations, do not check that user.
    """
    seen: set[str] = set()
    outside: set[str] = set()
    latest: dict[str, int] = defaultdict(int)
    before: Pages = {}
    for write, _, changes in commits:
        for owner in owners_of(write, before) if write.app in ROOMS else ():
            seen.add(owner)
            latest[owner] = max(latest[owner], write.args.get("limit", {}).get("at", 0))
            if f"user:{owner}" not in write.pages:
                outside.add(owner)
        before = {**before, **changes}
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for name, fields in pages.items():
        one = decode_reservation(fields) if name.startswith("reservation:") else None
        if one and one.slot:
            identifier = name.removeprefix("reservation:")
            user, _, request = identifier.partition("/")
            owner = owner_on(pages, identifier)
            held[owner][request if owner == user else identifier] = f"{one.slot.end:08}"
    for owner in sorted(seen - outside):
        listed = pages.get(f"user:{owner}", {})
        still = {request: end for request, end in held[owner].items() if int(end) > latest[owner]}
        demand(17, listed.items() <= held[owner].items(), owner, "is said to hold", listed, "and holds", held[owner])
        demand(17, still.items() <= listed.items(), owner, "holds", still, "and is said to hold", listed)
