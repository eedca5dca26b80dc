"""Writes a run as a script of the scenario language.

In the language, replicas exchange all writes over every working link. So the script cuts all links of a server when the
server joins. For each session of the run, the script restores a link and cuts the link again at once.

The language cannot express broken sessions, single frames, repeated requests and storage faults. The script has
comments for these.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from apps.rooms.pages import decode_slots
from bayou.write import Draft
from cluster.language.parser import OFFSET_US_MAX, Slot

SAID = {"put", "delete", "reserve", "cancel"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ScenarioWriter:
    """Writes the script of a run. `lines` has the lines of the script so far.

    The labels and users of the run become the servers and clients of the script.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._servers: list[str] = []
        self._linked: dict[str, str] = {}  # client -> server
        self._reservations: dict[str, str] = {}  # USER/REQUEST -> the name of the reservation in the script
        self._asked = 0
        self._healed = False

    def note(self, text: str) -> None:
        self.lines.append(f"# {text}")

    def say(self, line: str) -> None:
        self.lines.append(line)

    def join(self, label: str) -> None:
        self.say(f"joinServer {label}")
        self.lines += [f"breakConnection {other} {label}" for other in self._servers]
        self._servers.append(label)

    def leave(self, label: str, told: str) -> None:
        self.lines += [f"restoreConnection {told} {label}", f"retireServer {label}"]
        self._servers.remove(label)

    def session(self, one: str, other: str) -> None:
        if not self._healed and {one, other} <= set(self._servers):
            self.lines += [f"restoreConnection {one} {other}", f"breakConnection {one} {other}"]

    def hand_over(self, one: str, heir: str) -> None:
        link = f"{one} {heir}"
        self.lines += [f"restoreConnection {link}", f"promote {heir}", f"breakConnection {link}"]

    def clock(self, label: str, offset_us: int) -> None:
        within_us = max(-OFFSET_US_MAX, min(OFFSET_US_MAX, offset_us))
        if within_us != offset_us:
            self.note(f"the clock of {label} is off by {offset_us // 1_000_000} s, which is more than can be said")
        self.say(f"clock {label} {within_us // 1_000_000:+}s")

    def heal(self) -> None:
        self._healed = True
        pairs = ((one, other) for i, one in enumerate(self._servers) for other in self._servers[:i])
        self.lines += [*(f"restoreConnection {other} {one}" for one, other in pairs), "stabilize"]

    def get(self, client: str, label: str, song: str) -> None:
        self._link(client, label)
        self.say(f"get {client} {song}")

    def ask(self, client: str, label: str, draft: Draft, *, again: bool) -> None:
        """Add a client's write to the script."""
        if again:
            self.note(f"{client} asks {draft.request} again, at {label}")
            return
        if draft.op == "move":
            self.note(f"{client} moves {draft.args['reservation']} at {label} to {self._when(draft)}")
            return
        if draft.op not in SAID or draft.args.get("reason") or "~" in draft.args.get("reservation", ""):
            self.note(f"{client} asks {draft.request} at {label}: {draft.op} {json.dumps(draft.args)}")
            return
        self._link(client, label)
        match draft.op:
            case "put":
                self.say(f"put {client} {draft.args['song']} {draft.args['url']}")
            case "delete":
                self.say(f"delete {client} {draft.args['song']}")
            case "reserve":
                self._asked += 1
                self._reservations[f"{client}/{draft.request}"] = f"r{self._asked}"
                purpose = f" for {draft.args['purpose']}" if draft.args.get("purpose") else ""
                self.say(f"reserve {client} {draft.args['room']} {self._when(draft)} merge {draft.merge}{purpose}")
            case "cancel":
                self.say(f"cancel {client} {self._reservations.get(draft.args['reservation'], 'r0')}")

    def _link(self, client: str, label: str) -> None:
        if self._linked.get(client) != label:
            self._linked[client] = label
            self.say(f"joinClient {client} {label}")

    def _when(self, draft: Draft) -> str:
        slots = decode_slots(draft.args["slots"])
        return " or ".join(str(Slot(_moment(start), _moment(end))) for start, end in slots)


def _moment(minutes: int) -> datetime:
    return EPOCH + timedelta(minutes=minutes)
