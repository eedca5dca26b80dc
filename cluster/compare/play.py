"""Plays a script of the scenario language with one of the designs that are compared.

A script may use only the commands in COMMANDS; `read_script` refuses others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from cluster.compare.booking import Booking, Refused
from cluster.compare.designs import Design
from cluster.compare.story import Row, Story
from cluster.language.parser import Command, Complaint, read_line, read_reserve
from cluster.language.world import World

COMMANDS = (
    "joinServer", "joinClient", "breakConnection", "restoreConnection", "pause", "start", "stabilize", "reserve",
    "cancel",
)  # fmt: skip


class NotComparable(Exception):
    """A script cannot be compared because of one line. The line is malformed, or uses a command that not all designs
    have. The message has the number of the line and the problem."""


def read_script(lines: Iterable[str]) -> list[str]:
    """Return the lines of a script. Raise NotComparable at the first line that is malformed or uses a command outside
    COMMANDS."""
    found = [line.rstrip("\n") for line in lines]
    for number, line in enumerate(found, 1):
        try:
            command = read_line(line)
            if command is not None and command.name == "reserve":
                read_reserve(command)
        except Complaint as complaint:
            raise NotComparable(f"line {number}: {complaint}") from None
        if command is not None and command.name not in COMMANDS:
            raise NotComparable(
                f"line {number}: {command.name} cannot be compared, because not all designs have it."
                f" Use {', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}."
            )
    return found


def play(design: Design, lines: Sequence[str]) -> Story:
    """Play the lines that `read_script` returned, and return the story. Skip each command that raises Complaint."""
    player = _Player(design)
    for line in lines:
        player.step(line)
    return player.finish()


class _Player:
    def __init__(self, design: Design) -> None:
        self._design = design
        self._story = Story(design.name, design.idea)
        self._world = World()
        self._paused = False
        self._now = 0
        self._asked_at: dict[str, int] = {}  # name of a row -> the line of its request
        self._commands: dict[str, Callable[[Command], object]] = {
            "joinServer": self._join_server,
            "joinClient": lambda command: self._world.join_client(*command.words),
            "breakConnection": lambda command: self._world.connect(*command.words, up=False),
            "restoreConnection": lambda command: self._world.connect(*command.words, up=True),
            "pause": lambda _: self._pause(paused=True),
            "start": lambda _: self._pause(paused=False),
            "stabilize": lambda _: None,
            "reserve": self._reserve,
            "cancel": self._cancel,
        }

    def step(self, line: str) -> None:
        self._now += 1
        command = read_line(line)
        if command is None:
            return
        try:
            self._commands[command.name](command)
        except Complaint:
            return  # the run under Bayou says what is wrong with the line
        if not self._paused:
            self._meet_all()

    def finish(self) -> Story:
        for row in self._story.rows:
            self._look_up(row)
        self._story.sent = self._design.sent
        self._story.held = {server: tuple(self._design.held(server)) for server in self._world.servers}
        return self._story

    def _join_server(self, command: Command) -> None:
        identifier = command.words[0]
        self._world.check_new(identifier)
        creator = next(iter(self._world.servers), None)
        self._world.join(identifier)
        self._design.join(identifier, self._now)
        if creator is not None:
            self._design.meet(creator, identifier, self._now)

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused

    def _reserve(self, command: Command) -> None:
        wanted = read_reserve(command)
        _, server = self._world.linked(wanted.client)
        choices = tuple(Booking(wanted.client, wanted.room, slot) for slot in wanted.slots)
        row = Row(f"r{len(self._story.rows) + 1}", wanted.client, choices, None)
        try:
            row.answer = row.belief = self._design.reserve(server.id, choices, self._reachable(server.id), self._now)
            self._asked_at[row.name] = self._now
            self._look_up(row)
            row.was_final = row.is_final
        except Refused as refused:
            row.refusal, row.was_cut_off = str(refused), refused.cut_off
        self._story.rows.append(row)

    def _cancel(self, command: Command) -> None:
        client, name = command.words
        _, server = self._world.linked(client)
        row = next((row for row in self._story.rows if row.name == name and row.user == client and row.belief), None)
        if row is None or row.belief is None:
            return  # there is no such reservation, or it is not the client's
        self._look_up(row)
        if row.belief is None:
            return  # it was rejected meanwhile
        try:
            self._design.cancel(server.id, row.belief, self._reachable(server.id), self._now)
        except Refused as refused:
            row.cancelled = str(refused)
            return
        row.cancelled, row.belief = "done", None

    def _look_up(self, row: Row) -> None:
        """Set the user's belief to the booking that the user's server now shows for the request. Change nothing if the
        belief is None, or if the user has no link to a server."""
        server = self._world.clients[row.user].server
        if row.belief is not None and row.answer is not None and server is not None:
            row.belief, row.is_final = self._design.outcome(server, self._asked_at[row.name], row.answer)

    def _reachable(self, server: str) -> set[str]:
        """Return the servers that this server can reach over working links, directly or through other servers. The
        result includes this server."""
        found, ahead = {server}, [server]
        while ahead:
            here = ahead.pop()
            for there in self._world.servers:
                if there not in found and self._world.is_linked(here, there):
                    found.add(there)
                    ahead.append(there)
        return found

    def _meet_all(self) -> None:
        """Let linked servers meet. There are as many rounds as servers, so that an update can spread over a chain of
        links."""
        for _ in self._world.servers:
            for one, other in combinations(self._world.servers, 2):
                if self._world.is_linked(one, other):
                    self._design.meet(one, other, self._now)
