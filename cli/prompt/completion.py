"""Completes words at the prompt: commands, options, rooms, the user's reservations, replicas and files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from functools import partial

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from cli.arguments.command_line import build
from cli.arguments.values import MERGES, REPEATS
from cli.context import Context
from cli.output.reservations import name_of, when
from cli.output.screen import clean
from cli.prompt.background import Monitor
from cli.times import DAY_WORDS, WEEKDAYS

OWN_WORDS = {"help": "what can be typed here", "exit": "leave (or Ctrl-D)"}
TIME_STARTS = {"today": "today 14:00", "tomorrow": "tomorrow 9-10:30", **{day: f"{day} 9:00" for day in WEEKDAYS}}
Offers = Mapping[str, str]  # what to insert -> what to say about it


class PromptCompleter(Completer):
    """Completes the last word of the line. The other words of the line decide which completions are offered."""

    def __init__(self, context: Context, monitor: Monitor) -> None:
        self._context, self._monitor = context, monitor
        parser = build()
        self._commands, self._groups = parser.commands, parser.groups()
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        words, last = split(document.text_before_cursor)
        if words and words[0] in {"import", "define", "write"} and not last.startswith("-"):
            yield from self._paths.get_completions(Document(last), complete_event)
            return
        for text, meaning in self.offers(words, last).items():
            if text.lower().startswith(last.lower()):
                quoted = shlex.quote(text) if " " in text or "(" in text else text
                typed = len(document.text_before_cursor) - _start_of_last(document.text_before_cursor)
                yield Completion(quoted, start_position=-typed, display=text, display_meta=clean(meaning))

    def offers(self, words: list[str], last: str) -> Offers:
        """Return all words that may follow the given words, each with its description.

        If `last` begins with a dash, the offered words are options. The caller keeps only the words that begin with
        `last`.
        """
        if not words:
            return {**self._groups[""], **OWN_WORDS, **self._in_groups()}
        command, before = words[0], words[-1]
        if command == "help":
            return {**self._groups[""], **self._in_groups()} if len(words) == 1 else {}
        parser = self._commands.get(command)
        if parser is None:
            return {}
        if last.startswith("-"):
            return {name: text for name, text in parser.options.items() if name != "--config"}
        for names, offer in (
            (("--room",), partial(self._rooms, last)),
            (("--else-room",), self._rooms),
            (("--replica",), self._replicas),
            (("--merge",), lambda: dict.fromkeys(MERGES, "")),
            (("--repeat",), lambda: dict.fromkeys(REPEATS, "")),
            (("--features",), lambda: dict.fromkeys(self._monitor.features, "")),
            (("--at", "--or", "--to"), lambda: TIME_STARTS),
            (("--on", "--until", "--except"), lambda: dict.fromkeys(DAY_WORDS, "")),
        ):
            if before in names:
                return offer()
        return self._positional(command, words, last)

    def _in_groups(self) -> Offers:
        """Return the commands that belong to a group. The description of a command begins with the title of the group.
        If the title has a comma, the description has only the part before the comma."""
        return {
            name: f"{title.partition(',')[0]}: {summary}"
            for title, summaries in self._groups.items()
            if title
            for name, summary in summaries.items()
        }

    def _positional(self, command: str, words: list[str], last: str) -> Offers:
        if command in {"cancel", "move", "edit", "extend", "status", "watch", "history", "series"}:
            return self._reservations(command) if len(words) == 1 else {}
        if command == "reserve":
            return self._rooms(last) if len(words) == 1 else TIME_STARTS if len(words) == 2 else {}
        if command == "free":
            return TIME_STARTS if len(words) == 1 else {}
        if command == "calendar":
            return self._rooms()
        if command == "use":
            return self._replicas() if len(words) == 1 else {}
        if command == "sync" or (command == "link" and len(words) > 1):
            return dict.fromkeys(self._monitor.peers, "")
        if command == "pace":
            return {"manual": "", "auto": ""}
        return {"cut": "", "heal": ""} if command == "link" else {}

    def _rooms(self, last: str = "") -> Offers:
        """Return the rooms as completions of `last`. The user may combine rooms: 6.12+7 is completed to 6.12+7.01."""
        before = "".join(last.rpartition("+")[:2])
        return {f"{before}{room}": "" for room in self._monitor.rooms if room not in before.split("+")}

    def _replicas(self) -> Offers:
        """Return the labels and addresses of the replicas in config.yaml and of all other members of the cluster."""
        members = (self._monitor.state or {}).get("members", [])
        joined = {str(member["label"]): str(member["rest"]) for member in members}
        return joined | {label: address.short_url for label, address in self._context.directory.replicas.items()}

    def _reservations(self, command: str) -> Offers:
        """Return the ids of the user's reservations or series, each with a description.

        For a command that only shows reservations, also return USER/ for each other user. A user types USER/ID to name
        a reservation of another user.
        """
        zone: tzinfo | None = self._monitor.zone
        of_series = command in {"series", "extend"}
        changing = command in {"cancel", "move", "edit", "extend"}
        others = {f"{name}/": "" for name in self._monitor.users if name != self._context.user and not changing}
        if zone is None:
            return others
        offered = {
            name_of({**one, "request": one["series"]} if of_series else one).rstrip("…"): (
                f"{one['room']} {when(one, zone)} {one.get('purpose', '')}"
            )
            for one in self._monitor.own
            if (one["state"] != "cancelled" or not changing) and (one.get("occurrence") or not of_series)
        }
        return {**offered, **others}


def split(text: str) -> tuple[list[str], str]:
    """Split the text before the cursor into its complete words and the last word.

    The last word is the word that the user is typing. It may be empty. A quote at the beginning of the last word is
    left out.
    """
    start = _start_of_last(text)
    try:
        words = shlex.split(text[:start])
    except ValueError:
        words = text[:start].split()
    return words, text[start:].lstrip("'\"")


def _start_of_last(text: str) -> int:
    quote, start = "", 0
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign.isspace():
            start = at + 1
    return start
