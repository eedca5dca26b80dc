"""The lines that a replica prints about its events: one line for each event, with colours on a terminal.

    09:12:03 one  accepted ? vish 6.12 2026-12-01 09:00–10:00
    09:12:04 one  received 12 from two (3 rolled back, 3 replayed)
    09:12:04 one  moved ? priyal 6.12 09:00 → 10:00
    09:12:05 one  committed ✓ #7 vish 6.12 2026-12-01 09:00–10:00

Names may come from peers, so control characters are replaced.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from bayou.application import had_no_effect
from replica.events.expand import MADE_AGAIN, ScreenEvent, Transaction
from replica.events.marks import MARKS, paint

LINES_MAX = 10  # of one name in one transaction; more are counted
LABEL_COLORS = ("cyan", "magenta", "blue", "light_green", "light_blue", "light_red", "light_cyan", "light_magenta")
CANCELLING = {"cancel"}


class Console:
    """Prints what happens at a replica: `show` prints the lines of a transaction, `say` prints one line. If `color` is
    None, termcolor decides whether to use colours. For this decision, termcolor looks at the terminal and at the
    environment variables NO_COLOR and FORCE_COLOR."""

    def __init__(
        self,
        label: str,
        labels: Sequence[str],
        timezone: str,
        write: Callable[[str], object],
        color: bool | None = None,
    ) -> None:
        self._label = label
        self._labels = list(labels)
        self._zone = ZoneInfo(timezone)
        self._write = write
        self._color = color
        self._session_errors: dict[str, str] = {}
        self._start = -1, ""  # the second of the last line, and how lines of that second begin

    def show(self, transaction: Transaction) -> None:
        self._say(self._lines(transaction), int(transaction.id.partition("-")[0]) // 1000)

    def say(self, line: str, moment: datetime) -> None:
        self._say([line], math.floor(moment.timestamp()))

    def _say(self, lines: Iterable[str], moment_s: int) -> None:
        second, start = self._start
        if moment_s != second:
            time = datetime.fromtimestamp(moment_s, self._zone).strftime("%H:%M:%S")
            start = f"{self._paint(time, attrs=['dark'])} {self.name(self._label)}  "
            self._start = moment_s, start  # as one assignment: several threads print
        if text := "".join(f"{start}{line}\n" for line in lines):
            self._write(text)

    def name(self, label: str) -> str:
        """Return the label of a replica, in the colour of that replica."""
        number = self._labels.index(label) if label in self._labels else len(self._labels)
        return self._paint(harmless(label), LABEL_COLORS[number % len(LABEL_COLORS)])

    def warning(self, text: str) -> str:
        return self._paint(text, attrs=["bold"])

    def _lines(self, transaction: Transaction) -> Iterator[str]:
        if transaction.kind == "link":
            yield from (self._link(event.data) for event in transaction.events)
        elif transaction.kind == "pace":
            yield from (self.warning(f"{event.data.get('pace')} pace") for event in transaction.events)
        elif transaction.kind == "revoked":
            yield from self._revoked(transaction)
        elif transaction.kind == MADE_AGAIN:
            again = [event for event in transaction.events if event.name == "accepted"]
            yield from (self._write_line(event, "made again") for event in again)
        elif transaction.kind == "session":
            for event in transaction.events:
                yield from self._session(event.data)
        else:
            yield from self._writes(transaction)

    def _writes(self, transaction: Transaction) -> Iterator[str]:
        events: defaultdict[str, list[ScreenEvent]] = defaultdict(list)
        for event in transaction.events:
            events[event.name].append(event)
        summed = transaction.summed
        if received := len(events["received"]) + summed["received"]:
            source = f" from {self.name(transaction.source)}" if transaction.source else ""
            yield f"received {received}{source}{_replay(transaction)}"
        yield from self._memberships(transaction)
        for name in ("accepted", "moved", "rejected", "committed"):
            if name == "committed" and (events["accepted"] or summed["accepted"]):
                continue  # the line of the accepted write shows that
            found = [event for event in events[name] if "membership" not in event.data]
            if summed[name] or len(found) > LINES_MAX:
                csns = [event.data["csn"] for event in found] + list(transaction.csns)
                yield self._count_line(name, len(found) + summed[name], csns)
            else:
                yield from map(self._write_line, found)

    def _memberships(self, transaction: Transaction) -> Iterator[str]:
        """Yield the lines of membership writes. A creation or a retirement is shown when its write arrives. A new
        primary is shown when its write is committed."""
        for event in transaction.events:
            membership = event.data.get("membership")
            if membership is None:
                continue
            label = self.name(str(membership.get("label")))
            if membership["membership"] == "primary":
                if event.name == "committed":
                    epoch = f" (epoch {harmless(membership['epoch'])})" if "epoch" in membership else ""
                    yield f"{self._paint('primary is now', attrs=['bold'])} {label}{epoch}"
            elif event.name in {"accepted", "received"}:
                texts = {
                    "create": f"{label} joined through {self.name(str(membership.get('through')))}",
                    "retire": f"{label} retired",
                    "forget": f"{label} was forgotten by {self.name(str(membership.get('by')))}",
                    "return": f"{label}, which was forgotten, is back",
                    "activate": f"clients can use {harmless(membership.get('application'))} when this write"
                    " is committed",
                }
                yield texts.get(membership["membership"], "")

    def _revoked(self, transaction: Transaction) -> Iterator[str]:
        """Yield the lines for an installed full state. Each event `revoked` has a line in red, except the event of a
        membership write that is tentative again. One more line in red names the pages of revoked commits that are no
        longer in the log."""
        yield f"installed the full state of {self.name(str(transaction.source))}"
        for event in transaction.events:
            data = event.data
            if event.name == "revoked" and "membership" not in data:
                whose = f"{harmless(data['user'])} {harmless(data['request'])}" if data["user"] else ""
                fate = "committed before, tentative again" if data["outcome"] == "revoked" else "lost"
                yield self._paint(f"revoked ✗ {whose or harmless(data['write'])} ({fate})", "red")
            elif event.name == "reset" and data["lost_pages"]:
                pages = ", ".join(harmless(page) for page in data["lost_pages"][:LINES_MAX])
                yield self._paint(f"revoked ✗ commits that are no longer in the log, on {pages}", "red")

    def _count_line(self, name: str, count: int, csns: Sequence[int]) -> str:
        span = f" {self._paint('✓', 'green')} #{min(csns)}–#{max(csns)}" if name == "committed" else ""
        return f"{name}{span} {count} {'write' if count == 1 else 'writes'}"

    def _write_line(self, event: ScreenEvent, name: str | None = None) -> str:
        data = event.data
        words = [name or event.name, self._mark(event)]
        if data["csn"] is not None:
            words.append(f"#{data['csn']}")
        words.append(harmless(data["user"] or data["write"]))
        if data["op"] not in {None, "reserve"}:
            words.append(harmless(data["op"]))
        if event.name == "moved":
            words.append(self._move(data["before"], data["after"]))
        else:
            result = data["after"] or data["before"]
            words.append(self._result(result) if result else _request(data))
        if data["outcome"] not in {"updated", "rejected"}:
            words.append(f"({harmless(data['outcome'])})")
        return " ".join(filter(None, words))

    def _mark(self, event: ScreenEvent) -> str:
        data = event.data
        if had_no_effect(data["outcome"]):
            return self._paint(*MARKS["rejected"])
        if data["op"] in CANCELLING or data["outcome"] == "duplicate":
            return self._paint("–", attrs=["dark"])
        return self._paint(*MARKS["tentative" if data["csn"] is None else "committed"])

    def _result(self, result: Mapping[str, Any]) -> str:
        """Return the result of a write as text. For a reservation, the text has the room and the slot, such as `6.12
        2026-12-01 09:00–10:00`. For another application, the text has all values of the result."""
        times = self._times(result)
        if times is None:
            return harmless(" ".join(str(value) for value in result.values()))
        (day, start), (last_day, end) = times
        ending = end if day == last_day else f"{last_day} {end}"
        return f"{harmless(result.get('room', ''))} {day} {start}–{ending}"

    def _move(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
        """Return the change from one slot to another as text. If the day and the room stay the same, the text is short,
        such as `6.12 09:00 → 10:00`. Otherwise the text has both slots in full."""
        was, now = (self._times(result) if result else None for result in (before, after))
        if not (before and after and was and now):
            return " → ".join(self._result(result) if result else "nothing" for result in (before, after))
        (day_before, start_before), (day, start) = was[0], now[0]
        if before.get("room") != after.get("room") or day_before != day:
            return f"{self._result(before)} → {self._result(after)}"
        return f"{harmless(after.get('room', ''))} {start_before} → {start}"

    def _times(self, result: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """Return the start and the end of a result, each as a local day and time. Return None if the result has no
        times."""
        try:
            return _clock(result["start"], self._zone), _clock(result["end"], self._zone)
        except (KeyError, TypeError, ValueError):
            return None

    def _link(self, data: Mapping[str, Any]) -> str:
        up = bool(data.get("up"))
        state = self._paint("up", "green") if up else self._paint("down", "red")
        return f"link to {self.name(str(data.get('peer')))} {state}"

    def _session(self, data: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line about the session if it sent or received something, if it failed, or if it succeeded after a
        failed session. If several sessions in a row fail with the same error, only the first has a line. So a peer that
        is down does not fill the terminal."""
        peer, error = str(data.get("peer")), data.get("error")
        before = self._session_errors.pop(peer, None)
        if error:
            self._session_errors[peer] = error
            if error != before:
                yield f"{self._paint('no session', 'red')} with {self.name(peer)}: {harmless(error)}"
        elif data.get("sent") or data.get("received"):
            yield f"session with {self.name(peer)}: sent {data.get('sent')}, received {data.get('received')}"
        elif before:
            yield f"session with {self.name(peer)}: {self._paint('reachable again', 'green')}"

    def _paint(self, text: str, color: str | None = None, attrs: Sequence[str] = ()) -> str:
        return paint(text, color, attrs, no_color=self._color is False, force_color=self._color)


def harmless(text: object) -> str:
    """Return the text with its control characters replaced, because they could control a terminal."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


def _request(data: Mapping[str, Any]) -> str:
    """Return the id of the reservation without the user's name at the front."""
    return harmless(str(data["reservation"] or "").removeprefix(f"{data['user']}/"))


@lru_cache(maxsize=10_000)  # the same times are shown again and again
def _clock(text: str, zone: ZoneInfo) -> tuple[str, str]:
    """Convert an ISO 8601 time to the time zone. Return its day and time, such as `2026-12-01` and `09:00`."""
    moment = datetime.fromisoformat(text).astimezone(zone).isoformat(timespec="minutes")
    return moment[:10], moment[11:16]


def _replay(transaction: Transaction) -> str:
    if not transaction.rolled_back and not transaction.replayed:
        return ""
    return f" ({transaction.rolled_back} rolled back, {transaction.replayed} replayed)"
