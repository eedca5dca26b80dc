"""Polls the replica every few seconds on behalf of the prompt. The polling has a separate thread and connection.

The prompt shows the replica's state in its bottom line, prints changes above its input line, and completes names that
the replica knows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import tzinfo

from cli.commands.replicas import is_paused, primary_text
from cli.context import Context
from cli.output.reservations import name_of, reason_of, when
from cli.output.screen import Screen, clean, shorten
from cli.problems import Problem
from cli.rest import Json, Replica, segment
from cli.times import building_zone

INTERVAL_S = 2.0
TIMEOUT_S = 2.0
NEWS_MAX = 8


class Monitor:
    """Polls the replica and stores the latest answers. The monitor's thread calls `changed` after each poll.

    The prompt may read a public field at any time. The monitor never modifies the object in a field, but stores a new
    object in the field.
    """

    def __init__(self, context: Context, changed: Callable[[], None]) -> None:
        self.rooms: list[str] = []
        self.features: list[str] = []  # that some room has
        self.users: list[str] = []
        self.own: list[Json] = []
        self.peers: list[str] = []
        self.state: Json | None = None
        self.news: list[str] = []
        self.zone: tzinfo | None = None
        self._context, self._changed = context, changed
        self._seen = ""
        self._replica: Replica | None = None
        self._lock, self._ended, self._due = threading.Lock(), threading.Event(), threading.Event()
        self._address = context.address
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._due.set()
        self._thread.join(TIMEOUT_S)

    def look_again(self, quietly: bool) -> None:
        """Poll the replica at once, because a command has just run.

        If `quietly` is true, report no changes, because the command has already shown the changes. Also report no
        changes if the user has just switched to another replica.
        """
        if quietly or self._context.address != self._address:
            self._look(quietly=True)
        else:
            self._due.set()

    def bottom_line(self) -> list[tuple[str, str]]:
        """Return the bottom line as (style, text) pieces.

        The line shows the replica, the primary, the links that are cut, and the number of tentative reservations. It
        also says whether the replica has manual pace.
        """
        address, state = self._address, self.state
        pieces = [
            ("class:label", f" {address.label} "),
            ("", f" {address.short_url} " if address.short_url != address.label else " "),
        ]
        if state is None:
            return [*pieces, ("class:bad", " unreachable "), ("", " `use REPLICA` chooses another replica")]
        primary, good = primary_text(state)
        cut = [str(peer["label"]) for peer in state.get("peers", []) if peer.get("link") == "cut"]
        waiting = sum(one["state"] == "tentative" for one in self.own)
        return [
            *pieces,
            ("class:good" if good else "class:bad", f" {primary} "),
            ("class:bad", f" ✂ links cut: {', '.join(cut)} ") if cut else ("class:good", " links up "),
            ("class:waiting" if waiting else "", f" {waiting} tentative "),
            *([("class:waiting", " manual pace ")] if is_paused(state) else []),
        ]

    def take_news(self) -> list[str]:
        news, self.news = self.news, []
        return news

    def _run(self) -> None:
        while not self._ended.is_set():
            self._look(quietly=False)
            self._changed()
            self._due.wait(INTERVAL_S)
            self._due.clear()
        with self._lock:
            if self._replica is not None:
                self._replica.close()

    def _look(self, quietly: bool) -> None:
        with self._lock:
            try:
                self._read(quietly)
            except (Problem, KeyError, TypeError, ValueError):
                self.state, self._seen = None, ""

    def _read(self, quietly: bool) -> None:
        address = self._context.address
        if self._replica is None or address != self._address:
            if self._replica is not None:
                self._replica.close()
            self._replica = self._context.connect(address, TIMEOUT_S)
            self._address, self._seen, self.zone, self.own = address, "", None, []
        state = self._replica.get("/replica")
        seen = f"{state.get('id')} {state.get('csn')} {state.get('vectors')} {state.get('tentative')}"
        if seen != self._seen:
            rooms = self._replica.get("/rooms")
            path = f"/users/{segment(self._context.user)}/reservations"
            own = self._replica.get_all(path, "reservations")["reservations"]
            self.zone = building_zone(str(rooms.get("timezone", "UTC")))
            self.rooms = [str(room["name"]) for room in rooms["rooms"]]
            self.features = sorted({str(name) for room in rooms["rooms"] for name in room.get("features") or []})
            if self._seen and not quietly:
                self.news = _bounded([*self.news, *_news_between(self._context.screen, self.own, own, self.zone)])
            self.own, self._seen = own, seen
            self.users = [str(name) for name in self._replica.get("/cluster").get("users", [])]
        self.peers = [str(peer["label"]) for peer in state.get("peers", [])]
        self.state = state


def _bounded(news: list[str]) -> list[str]:
    """Limit the news to NEWS_MAX lines. A last line says how many changes are not shown."""
    if len(news) <= NEWS_MAX:
        return news
    return [*news[:NEWS_MAX], f"  … and {len(news) - NEWS_MAX} more changes; `status` shows your reservations"]


def _news_between(screen: Screen, before: list[Json], after: list[Json], zone: tzinfo) -> list[str]:
    """Return a line for each reservation that moved or changed its state."""
    old = {one["id"]: one for one in before}
    lines = []
    for one in after:
        was = old.get(one["id"])
        if was is None or (was["state"] == one["state"] and was.get("slot") == one.get("slot")):
            continue
        moved = was.get("slot") and one.get("slot") and was["slot"] != one["slot"]
        parts = [
            screen.state(str(one["state"])),
            name_of(one),
            clean(one["room"]),
            f"{when(was, zone)} → {when(one, zone)}" if moved else when(one, zone),
            clean(reason_of(one)) if one.get("reason") else shorten(clean(one.get("purpose", "")), 30),
        ]
        lines.append("  ".join(part for part in parts if part))
    return lines
