"""What a class does with replicas: use, replicas, links, link, sync, log, commit. Each returns its exit status."""

from __future__ import annotations

from argparse import Namespace
from collections import deque
from datetime import tzinfo

from cli.context import Context
from cli.joined_replicas import glance, glances, joined
from cli.problems import DONE, Problem
from cli.replica_addresses import remember
from cli.rest import Json, segment
from cli.screen import Cell, brief, clean
from cli.times import parse_iso

LOG_PAGE = 500


def use(context: Context, arguments: Namespace) -> int:
    """Remember a replica, also one that is down: whoever cuts replicas off wants to say so in any order."""
    place = context.find_place(arguments.name)
    context.switch(place)
    remember(context.user, place, context.environment)
    reachable = glance(context.at, place) is not None
    context.screen.json({"replica": place.label, "url": place.url, "reachable": reachable})
    state = "" if reachable else context.screen.paint("  (nothing answers there now)", "red")
    context.screen.line(f"using {context.label(place.label)} at {place.address}{state}")
    return DONE


def replicas(context: Context, arguments: Namespace) -> int:
    del arguments
    screen, present = context.screen, context.place
    places = list(context.directory.places.values())
    if present not in places:
        places.append(present)
    answers = glances(context.at, places)
    others = joined(places, answers)
    places, answers = [*places, *others], [*answers, *glances(context.at, others)]
    found = []
    rows: list[tuple[Cell | str, ...]] = [_heading("", "replica", "address", "", "CSN", "committed", "tentative", "id")]
    for place, answer in zip(places, answers, strict=True):
        found.append(
            {"label": place.label, "url": place.url, "present": place == present, "reachable": answer is not None}
            | ({"replica": answer} if answer is not None else {})
        )
        arrow = Cell("→" if place == present else "", "cyan")
        label = context.label_cell(place.label)
        if answer is None:
            rows.append((arrow, label, place.address, Cell("unreachable", "red")))
            continue
        role = Cell("primary", "green") if answer.get("primary", {}).get("here") else ""
        numbers = [str(answer.get(name, "")) for name in ("csn", "committed", "tentative")]
        waiting = Cell(numbers[2], "yellow" if numbers[2] not in {"", "0"} else None)
        rows.append((arrow, label, place.address, role, numbers[0], numbers[1], waiting, str(answer.get("id", ""))))
    screen.json({"replicas": found})
    screen.table(rows)
    return DONE


def links(context: Context, arguments: Namespace) -> int:
    del arguments
    answer = context.replica.get("/replica")
    primary = answer.get("primary", {})
    context.screen.json({"replica": answer.get("label"), "primary": primary, "peers": answer.get("peers", [])})
    if context.screen.as_json:
        return DONE
    zone = context.zone
    rows: list[tuple[Cell | str, ...]] = [_heading("peer", "address", "link", "peer is", "last session")]
    for peer in answer.get("peers", []):
        cut = peer.get("link") == "cut"
        reach = {True: Cell("reachable", "green"), False: Cell("unreachable", "red")}.get(
            peer.get("reachable"), Cell("–")
        )
        name = context.label_cell(str(peer["label"]))
        link_cell = Cell("✂ cut", "red") if cut else Cell("up", "green")
        rows.append((name, str(peer.get("address", "")), link_cell, reach, _session(peer.get("last_session"), zone)))
    context.screen.table(rows)
    context.screen.line(f"{context.label(str(answer.get('label')))}: {primary_text(answer)}")
    return DONE


def link(context: Context, arguments: Namespace) -> int:
    up = arguments.action == "heal"
    answers = []
    for peer in arguments.peers:
        answers.append(context.replica.act("PUT", f"/replica/links/{segment(peer)}", {"up": up}))
        state = context.screen.paint("up" if up else "cut", "green" if up else "red")
        context.screen.line(f"{context.label(context.place.label)} – {context.label(peer)}: {state}")
    context.screen.json({"links": answers})
    return DONE


def sync(context: Context, arguments: Namespace) -> int:
    """Meet each peer once; all are tried, and the last failure decides the status."""
    peers = arguments.peers or [
        str(peer["label"]) for peer in context.replica.get("/replica").get("peers", []) if peer.get("link") != "cut"
    ]
    answers: list[Json] = []
    status = DONE
    for peer in peers:
        try:
            answer = context.replica.act("POST", f"/replica/sync/{segment(peer)}")
        except Problem as problem:
            if problem.code == "replica_unreachable":
                raise
            status = problem.status
            answers.append({"peer": peer, **problem.as_json()})
            why = context.screen.paint(f"✗ {clean(problem.message)} [{problem.code}]", "red")
            context.screen.line(f"{context.label(peer)}: {why}")
            continue
        answers.append(answer)
        context.screen.line(f"{context.label(peer)}: {_exchanged(answer)}")
    context.screen.json({"sessions": answers})
    if not peers:
        context.screen.line("No link is up, so there is nobody to meet; `link heal PEER` heals one.")
    return status


def log(context: Context, arguments: Namespace) -> int:
    """The end of the log, or all after a write; it comes in pages, of which only the lines to show are kept."""
    kept: deque[Json] = deque(maxlen=None if arguments.after else arguments.last)
    after = arguments.after
    while True:
        page = context.replica.get("/replica/log", {"after": after, "limit": LOG_PAGE})
        kept.extend(page.get("writes", []))
        if not page.get("next") or page["next"] == after:
            break
        after = page["next"]
    context.screen.json({"writes": list(kept)})
    if context.screen.as_json:
        return DONE
    zone = context.zone
    rows: list[tuple[Cell | str, ...]] = [_heading("", "CSN", "accepted", "at", "what", "reservation", "outcome")]
    for write in kept:
        accepted = str(write.get("accepted_at") or "")
        identity = f"{write.get('user', '')}/{brief(str(write.get('request', '')))}"
        rows.append(
            (
                context.screen.mark(str(write.get("state"))),
                str(write["csn"]) if write.get("csn") is not None else "",
                f"{parse_iso(accepted).astimezone(zone):%H:%M:%S}" if accepted else "",
                context.label_cell(label_of(str(write.get("origin", "")))),
                str(write.get("op", "")),
                identity,
                _outcome(str(write.get("outcome", ""))),
            )
        )
    context.screen.table(rows)
    if len(rows) == 1:
        context.screen.line("The log is empty.")
    return DONE


def commit(context: Context, arguments: Namespace) -> int:
    del arguments
    answer = context.replica.act("POST", "/replica/commit")
    context.screen.json(answer)
    context.screen.line(f"{context.screen.paint('✓', 'green')} {answer.get('committed', 0)} committed")
    return DONE


def label_of(server: str) -> str:
    """The label in a server's id: of a founder's `LABEL~NONCE`; any other id stands for itself."""
    return server.split("~", 1)[0]


def primary_text(answer: Json) -> str:
    """Where the primary is, and whether this replica reaches it."""
    primary = answer.get("primary") or {}
    if primary.get("here"):
        return "this is the primary"
    name = primary.get("label")
    if not name:
        return "no primary known yet"
    peer = next((peer for peer in answer.get("peers", []) if peer.get("label") == name), None)
    if peer is None:
        return f"primary {name}, no direct link"
    if peer.get("link") == "cut":
        return f"primary {name}, link cut"
    state = {True: "reachable", False: "unreachable"}.get(peer.get("reachable"), "not met yet")
    return f"primary {name} {state}"


def _session(last: Json | None, zone: tzinfo) -> Cell:
    if not last:
        return Cell("none yet")
    moment = f"{parse_iso(last['at']).astimezone(zone):%H:%M:%S}" if last.get("at") else ""
    if last.get("error"):
        return Cell(f"{moment} failed: {last['error']}", "red")
    return Cell(f"{moment} {_exchanged(last)}")


def _exchanged(session: Json) -> str:
    seconds = session.get("seconds")
    took = f" in {seconds:.2f} s" if isinstance(seconds, int | float) else ""
    return f"sent {session.get('sent', 0)}, received {session.get('received', 0)}{took}"


def _outcome(outcome: str) -> Cell:
    """The status word of an outcome; its detail is in the log's JSON."""
    word = outcome.split(" ", 1)[0]
    return Cell(word, None if word in {"updated", "merged"} else "red")


def _heading(*names: str) -> tuple[Cell | str, ...]:
    return tuple(Cell(name, "dark_grey") for name in names)
