"""The commands that show a replica or change its links or pace: replicas, links, link, sync, pace, log, commit."""

from __future__ import annotations

from argparse import Namespace
from collections import deque
from datetime import datetime, tzinfo

from cli.context import Context
from cli.discovery import joined, probes
from cli.output.screen import Cell, Row, brief, clean
from cli.problems import DONE, Problem
from cli.rest import Json, segment

LOG_PART_WRITES = 500
PACE_HELP = (
    "With manual pace, a replica sends and commits only on request. Run `sync` to send, or `commit` to commit."
    " `pace auto` ends manual pace."
)
REACH = {True: Cell("reachable", "green"), False: Cell("unreachable", "red")}


def replicas(context: Context, _arguments: Namespace) -> None:
    screen, current = context.screen, context.address
    addresses = list(context.directory.replicas.values())
    if current not in addresses:
        addresses.append(current)
    states = probes(context.connect, addresses)
    others = joined(addresses, states)
    addresses, states = [*addresses, *others], [*states, *probes(context.connect, others)]
    members = [member for state in states if state for member in state.get("members", [])]
    gone = {
        member["label"]: "forgotten" if member.get("forgotten") else "retired"
        for member in members
        if member.get("retired")
    }
    found = []
    rows: list[Row] = []
    for address, state in zip(addresses, states, strict=True):
        found.append(
            {"label": address.label, "url": address.url, "present": address == current, "reachable": state is not None}
            | ({"replica": state} if state is not None else {})
        )
        arrow = Cell("→" if address == current else "", "cyan")
        row: list[Cell | str] = [arrow, context.label_cell(address.label), address.short_url]
        if state is None:
            rows.append([*row, gone.get(address.label, Cell("unreachable", "red"))])
            continue
        role = Cell("primary", "green") if state.get("primary", {}).get("here") else ""
        csn, committed, tentative = (str(state.get(name, "")) for name in ("csn", "committed", "tentative"))
        waiting = Cell(tentative, "on_yellow" if tentative not in {"", "0"} else None)
        rows.append([*row, role, csn, committed, waiting, str(state.get("id", ""))])
    screen.json({"replicas": found})
    screen.table(rows, heading=("", "replica", "address", "", "CSN", "committed", "tentative", "id"))
    known = [state for state in states if state]
    if paused := [str(state["label"]) for state in known if is_paused(state)]:
        screen.line(f"Manual pace: {', '.join(map(context.label, paused))}. {PACE_HELP}")
    if any(state.get("primary", {}).get("gone") for state in known) and not any(
        state.get("primary", {}).get("here") for state in known
    ):
        screen.line(next(primary_text(state)[0] for state in known if state.get("primary", {}).get("gone")))


def links(context: Context, _arguments: Namespace) -> None:
    answer = context.replica.get("/replica")
    primary = answer.get("primary", {})
    context.screen.json({"replica": answer.get("label"), "primary": primary, "peers": answer.get("peers", [])})
    if context.screen.as_json:
        return
    zone = context.zone
    rows: list[Row] = []
    for peer in answer.get("peers", []):
        cut = peer.get("link") == "cut"
        name, address = context.label_cell(str(peer["label"])), str(peer.get("address", ""))
        link_cell = Cell("✂ cut", "red") if cut else Cell("up", "green")
        reach = REACH.get(peer.get("reachable"), Cell("–"))
        rows.append((name, address, link_cell, reach, _last_session(peer.get("last_session"), zone)))
    for member in answer.get("members", []):
        if member.get("forgotten"):
            rows.append((context.label_cell(str(member["label"])), str(member["anti_entropy"]), "–", "forgotten", "–"))
    context.screen.table(rows, heading=("peer", "address", "link", "peer is", "last session"))
    context.screen.line(f"{context.label(str(answer.get('label')))}: {primary_text(answer)[0]}")
    if is_paused(answer):
        context.screen.line(f"Manual pace. {PACE_HELP}")


def link(context: Context, arguments: Namespace) -> None:
    up = arguments.action == "heal"
    answers = []
    for peer in arguments.peers:
        answers.append(context.replica.act("PUT", f"/replica/links/{segment(peer)}", {"up": up}))
        state = context.screen.paint("up" if up else "cut", "green" if up else "red")
        context.screen.line(f"{context.here} – {context.label(peer)}: {state}")
    context.screen.json({"links": answers})


def sync(context: Context, arguments: Namespace) -> int:
    """Run an anti-entropy session with each peer. If a session fails, continue with the next peer.

    Return the exit status of the last failure, or DONE if no session fails. Raise Problem if the client cannot reach
    the replica in use.
    """
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
        context.screen.line("No link is up, so there was no session. Run `link heal PEER` to heal a link.")
    return status


def pace(context: Context, arguments: Namespace) -> None:
    context.act("PUT", "/replica/pace", {"pace": arguments.pace})
    context.screen.line(f"{context.here}: {arguments.pace} pace")
    if arguments.pace == "manual":
        context.screen.line(PACE_HELP)


def log(context: Context, arguments: Namespace) -> None:
    """Show the last writes of the log. With --after, show all writes after the given write.

    The replica sends the log in parts. To save memory, only the writes that will be shown are kept.
    """
    kept: deque[Json] = deque(maxlen=None if arguments.after else arguments.last)
    after = arguments.after
    while True:
        part = context.replica.get("/replica/log", {"after": after, "limit": LOG_PART_WRITES})
        kept.extend(part.get("writes", []))
        if not part.get("next") or part["next"] == after:
            break
        after = part["next"]
    context.screen.json({"writes": list(kept)})
    if context.screen.as_json:
        return
    zone = context.zone
    rows: list[Row] = []
    for write in kept:
        accepted = str(write.get("accepted_at") or "")
        identity = f"{write.get('user', '')}/{brief(str(write.get('request', '')))}"
        rows.append(
            (
                context.screen.mark(str(write.get("state"))),
                str(write["csn"]) if write.get("csn") is not None else "",
                f"{datetime.fromisoformat(accepted).astimezone(zone):%H:%M:%S}" if accepted else "",
                context.label_cell(str(write.get("origin", "")).partition("~")[0]),
                str(write.get("op", "")),
                identity,
                _outcome(str(write.get("outcome", ""))),
            )
        )
    context.screen.table(rows, heading=("", "CSN", "accepted", "at", "what", "write", "outcome"))
    if not rows:
        context.screen.line("The log is empty.")


def commit(context: Context, _arguments: Namespace) -> None:
    answer = context.act("POST", "/replica/commit")
    context.screen.line(f"{context.screen.paint('✓', 'green')} {answer.get('committed', 0)} committed")


def is_paused(state: Json) -> bool:
    """Return whether a replica with this state sends and commits only on request."""
    return state.get("pace") == "manual"


def primary_text(answer: Json) -> tuple[str, bool]:
    """Return (text, reachable). The text says where the primary is. `reachable` is true if this replica is the primary,
    or can reach the primary."""
    primary = answer.get("primary") or {}
    if primary.get("here"):
        return "this is the primary", True
    name = primary.get("label")
    if not name:
        return "no primary known yet", False
    if primary.get("gone"):
        return (
            f"no primary: {name} was the primary under an earlier id; promote a replica with `admin promote --force`",
            False,
        )
    peer = next((peer for peer in answer.get("peers", []) if peer.get("label") == name), None)
    if peer is None:
        return f"primary {name}, no direct link", False
    if peer.get("link") == "cut":
        return f"primary {name}, link cut", False
    reachable = peer.get("reachable")
    return f"primary {name} {REACH[reachable].text if reachable in REACH else 'not met yet'}", reachable is True


def _last_session(last: Json | None, zone: tzinfo) -> Cell:
    if not last:
        return Cell("none yet")
    moment = f"{datetime.fromisoformat(last['at']).astimezone(zone):%H:%M:%S}" if last.get("at") else ""
    if last.get("error"):
        return Cell(f"{moment} failed: {last['error']}", "red")
    return Cell(f"{moment} {_exchanged(last)}")


def _exchanged(session: Json) -> str:
    seconds = session.get("seconds")
    took = f" in {seconds:.2f} s" if isinstance(seconds, int | float) else ""
    return f"sent {session.get('sent', 0)}, received {session.get('received', 0)}{took}"


def _outcome(outcome: str) -> Cell:
    """Return the first word of an outcome, in red if the write failed. `log --json` shows the whole outcome."""
    word = outcome.split(" ", 1)[0]
    return Cell(word, None if word in {"updated", "merged"} else "red")
