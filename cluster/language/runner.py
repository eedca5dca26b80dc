"""Runs a script of the scenario language on a driver, one command a line.

This module has the commands of servers and operators, and decides when servers exchange writes. The commands of clients
are in cluster/language/client_commands.py, and the format of results is in cluster/language/printing.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from cluster.drivers.driver import BEGINNING_US, Driver, Failed
from cluster.language import parser as language
from cluster.language import printing
from cluster.language.client_commands import ClientCommands, accepted
from cluster.language.parser import Command, Complaint
from cluster.language.quiesce import quiesce
from cluster.language.record_commands import RecordCommands
from cluster.language.world import Server, World
from cluster.rest import Answer, Request

LOG_PAGE = 1000
TICK_US = 1_000_000  # the clock advances by this with each line
# Commands that leave nothing new to exchange.
QUIET = {
    "pause",
    "printLog",
    "get",
    "status",
    "calendar",
    "read",
    "conflicts",
    "printVectors",
    "truncate",
    "copyFolder",
    "export",
    "clock",
    "expect",
}

Print = Callable[[str], object]


class Runner:
    """Runs the lines of a script. The runner calls `print_result` with each line of the results, and `note` with each
    complaint.

    `failures` is the number of `expect` commands that failed. `has_understood` is true if any line so far was a
    command. `has_understood` is None before the first line that is neither blank nor a comment.
    """

    def __init__(self, driver: Driver, print_result: Print, note: Print) -> None:
        self.failures = 0
        self.has_understood: bool | None = None
        self._driver = driver
        self._print_result = print_result
        self._print_note = note
        self.world = World()  # the servers, links and clients of the script so far
        self.is_paused = False
        self.names = printing.Names()  # of server ids
        self._cut_at: set[tuple[str, str]] = set()  # (here, there): the server `here` has cut its link to `there`
        self._cut_in_copy: dict[str, set[tuple[str, str]]] = {}  # label -> its part of `_cut_at` in its copied folder
        self._has_primary = False
        self._line = 0
        self._offsets_us: dict[str, int] = {}  # by label
        self._printed: list[str] = []  # results of the last command
        clients = ClientCommands(self.world, self._send, self._print, self._note)
        records = RecordCommands(clients.as_client, self._print)
        self._commands: dict[str, Callable[[Command], object]] = {
            "joinServer": self._join_server,
            "retireServer": self._retire_server,
            "joinClient": lambda command: self.world.join_client(*command.words),
            "breakConnection": lambda command: self._connect(command, up=False),
            "restoreConnection": lambda command: self._connect(command, up=True),
            "pause": lambda _: self._pause(paused=True),
            "start": lambda _: self._pause(paused=False),
            "stabilize": lambda _: self._stabilize(),
            "printLog": self._print_log,
            "put": clients.put,
            "delete": clients.delete,
            "get": clients.get,
            "reserve": clients.reserve,
            "cancel": clients.cancel,
            "status": clients.status,
            "define": records.define,
            "write": records.write,
            "read": records.read,
            "conflicts": records.conflicts,
            "calendar": self._calendar,
            "printVectors": self._print_vectors,
            "truncate": self._truncate,
            "export": self._export,
            "import": self._import,
            "crash": self._crash,
            "recover": self._recover,
            "copyFolder": self._copy_folder,
            "putBack": self._put_back,
            "promote": self._promote,
            "commit": self._commit,
            "clock": self._clock,
            "expect": self._expect,
        }

    def run(self, lines: Iterable[str]) -> None:
        """Run all lines in order. Skip a line that fails, and report it with `note`."""
        for line in lines:
            self.step(line)

    def step(self, line: str) -> None:
        """Run one line, and then the sessions that have become possible."""
        self._line += 1
        before, command = self._printed, None
        try:
            command = language.read_line(line)
            if command is None:
                return
            self.has_understood = True
            if command.name != "expect":
                self._printed = []
            self._commands[command.name](command)
        except Complaint as complaint:
            self.has_understood = self.has_understood or False
            self._printed = before if command and command.name == "expect" else []
            self._note(str(complaint))
            return
        except Failed as failure:
            self._note(str(failure))
        if not self.is_paused and command is not None and command.name not in QUIET:
            self._quiesce()

    # Servers and links

    def _join_server(self, command: Command) -> None:
        identifier = command.words[0]
        world, label = self.world, self.world.label(identifier)
        world.check_new(identifier)
        if not self._has_primary:
            self._set_clocks(label)
            self._driver.start_primary(label)
            self._has_primary = True
        else:
            creator = next(iter(world.running()), None)
            if creator is None:
                raise Complaint(f"{identifier} cannot be created, because no server is running; recover a server first")
            self._set_clocks(creator.label, label)
            self._driver.create(label, creator.label)
        server = world.join(identifier)
        self._learn_name(server)
        self._apply_links()

    def _retire_server(self, command: Command) -> None:
        server = self.world.running_server(command.words[0])
        heir = next(self.world.reachable(server), None)
        if heir is None:
            raise Complaint(
                f"server {server.id} reaches no other server, so it cannot retire; use recover or"
                " restoreConnection first"
            )
        self._set_clocks(server.label, heir.label)
        self._driver.retire(server.label, heir.label)
        self.world.leave(server)
        self._cut_at = {end for end in self._cut_at if end[0] != server.label}

    def _crash(self, command: Command) -> None:
        server = self.world.running_server(command.words[0])
        self._driver.crash(server.label)
        server.running = False

    def _recover(self, command: Command) -> None:
        server = self.world.server(command.words[0])
        if server.running:
            raise Complaint(f"server {server.id} is already running")
        self._set_clocks(server.label)
        self._driver.recover(server.label)
        server.running = True
        self._learn_name(server)
        self._apply_links()

    def _copy_folder(self, command: Command) -> None:
        server = self.world.running_server(command.words[0])
        self._driver.copy_folder(server.label)
        self._cut_in_copy[server.label] = {end for end in self._cut_at if end[0] == server.label}

    def _put_back(self, command: Command) -> None:
        server = self.world.server(command.words[0])
        if server.label not in self._cut_in_copy:
            raise Complaint(f"there is no copy of {server.id}; use copyFolder first")
        self._set_clocks(server.label)
        self._driver.put_back(server.label)
        server.running = True
        self._cut_at = {end for end in self._cut_at if end[0] != server.label} | self._cut_in_copy[server.label]
        self._learn_name(server)
        self._apply_links()

    def _connect(self, command: Command, *, up: bool) -> None:
        self.world.connect(*command.words, up=up)
        self._apply_links()

    def _apply_links(self) -> None:
        """Tell both servers of each link whether the link is cut. Skip a server that is not running, or that does not
        know the other server yet. The next call tries again."""
        servers = list(self.world.servers.values())
        for here in servers:
            for there in servers:
                end = (here.label, there.label)
                up = self.world.is_linked(here.id, there.id)
                if here is there or not here.running or (end not in self._cut_at) == up:
                    continue
                answer = self._send(here, Request("PUT", f"/replica/links/{there.label}", {"up": up}))
                if answer.status != 404:  # this end may not know the other yet
                    accepted(answer)
                    self._cut_at.symmetric_difference_update({end})

    # Anti-entropy

    def _pause(self, *, paused: bool) -> None:
        self.is_paused = paused

    def _stabilize(self) -> None:
        """Complain if anti-entropy is paused. Otherwise do nothing: `step` runs the sessions after this command."""
        if self.is_paused:
            self._note("anti-entropy is paused, so nothing is exchanged; use start first")

    def _quiesce(self) -> None:
        try:
            quiesce(self._driver, self.world.working_links(), self._no_session)
        except Failed as failure:
            self._note(str(failure))

    def _no_session(self, pair: tuple[str, str], problem: str) -> None:
        one, other = map(self.world.id_of, pair)
        self._note(f"no session between {one} and {other}: {problem}")

    # Commands that print what a server holds

    def _print_log(self, command: Command) -> None:
        writes = self.log(self.world.running_server(command.words[0]))
        for line in filter(None, map(printing.log_line, writes)):
            self._print(line)

    def log(self, server: Server) -> Iterator[Mapping[str, Any]]:
        """Yield the writes in the log of a running server, oldest first, in the form of `GET /replica/log`."""
        query: dict[str, str] = {"limit": str(LOG_PAGE)}
        while True:
            page = accepted(self._send(server, Request("GET", f"/replica/log?{urlencode(query)}")))
            yield from page["writes"]
            if page["next"] is None:
                return
            query["after"] = page["next"]

    def describe(self, server: Server) -> Mapping[str, Any]:
        """Return the answer of a running server to `GET /replica`."""
        return accepted(self._send(server, Request("GET", "/replica")))  # type: ignore[no-any-return]

    def _calendar(self, command: Command) -> None:
        identifier, room, day, *view = command.words
        if view not in ([], ["committed"]):
            raise command.usage()
        first = language.read_date(day)
        server = self.world.running_server(identifier)
        query = printing.day_query(first) | ({"view": "committed"} if view else {})
        answer = self._send(server, Request("GET", f"/rooms/{quote(room, safe='')}/calendar?{urlencode(query)}"))
        if answer.status == 404:
            return  # no write that arrived here has named the room
        for entry in accepted(answer)["reservations"]:
            self._print(printing.calendar_line(entry, first))

    def _print_vectors(self, command: Command) -> None:
        server = self.world.running_server(command.words[0])
        for one in self.world.running():  # any of them may have a new id
            self._learn_name(one)
        for line in printing.vector_lines(self.describe(server), self.names):
            self._print(line)

    def _learn_name(self, server: Server) -> None:
        self.names.learn(self.describe(server)["id"], server.id)

    # Commands of an operator

    def _truncate(self, command: Command) -> None:
        keep = language.read_count(command.words[1])
        server = self.world.running_server(command.words[0])
        accepted(self._send(server, Request("POST", "/replica/truncate", {"keep": keep})))

    def _export(self, command: Command) -> None:
        identifier, file, *rest = command.words
        if rest[:1] not in ([], ["from"]) or len(rest) == 1:
            raise command.usage()
        server = self.world.running_server(identifier)
        query = {}
        if rest:
            held = self.describe(self.world.running_server(rest[1]))
            query = {"csn": str(held["csn"]), "v": json.dumps(held["vectors"]["V"], separators=(",", ":"))}
        content = accepted(self._send(server, Request("GET", f"/replica/export?{urlencode(query)}")))
        try:
            Path(file).write_bytes(content)
        except OSError as error:
            raise Complaint(f"{file} cannot be written: {error.strerror}") from None

    def _import(self, command: Command) -> None:
        identifier, file = command.words
        server = self.world.running_server(identifier)
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise Complaint(f"{file} cannot be read: {error.strerror}") from None
        accepted(self._send(server, Request("POST", "/replica/import", content=content)))

    def _promote(self, command: Command) -> None:
        identifier, *force = command.words
        if force not in ([], ["force"]):
            raise command.usage()
        server = self.world.running_server(identifier)
        if self.describe(server)["primary"]["here"]:
            raise Complaint(f"server {server.id} is already the primary")
        primary = None if force else self._primary_for(server).label
        self._set_clocks(server.label, *([primary] if primary else []))
        self._driver.promote(server.label, primary)
        self._learn_name(server)

    def _primary_for(self, server: Server) -> Server:
        """Return the primary that is to hand over to this server. Raise Complaint if no primary is running, or if the
        link to the primary is cut.

        If several servers act as primary, choose the one with the newest epoch.
        """
        found: dict[tuple[int, str], Server] = {}
        for one in self.world.running():
            replica = self.describe(one)
            if replica["primary"]["here"]:
                found[replica["epoch"]["number"], replica["epoch"]["promoter"]] = one
        if not found:
            raise Complaint("the primary is not running; add `force` to promote without it")
        primary = found[max(found)]
        if not self.world.is_linked(server.id, primary.id):
            raise Complaint(
                f"the link from {server.id} to the primary {primary.id} is cut; use restoreConnection first"
            )
        return primary

    def _commit(self, command: Command) -> None:
        server = self.world.running_server(command.words[0])
        accepted(self._send(server, Request("POST", "/replica/commit")))

    def _clock(self, command: Command) -> None:
        offset_us = language.read_offset(command.words[1])
        self._offsets_us[self.world.server(command.words[0]).label] = offset_us

    def _expect(self, command: Command) -> None:
        if command.text not in self._printed:
            self.failures += 1
            printed = " | ".join(self._printed) or "nothing"
            self._note(f"expected {command.text!r}; the last command printed {printed}")

    # Helpers

    def _send(self, server: Server, request: Request) -> Answer:
        if request.method != "GET":
            self._set_clocks(server.label)
        return self._driver.send(server.label, request)

    def _set_clocks(self, *labels: str) -> None:
        for label in labels:
            offset_us = self._offsets_us.get(label, 0)
            self._driver.set_clock(label, BEGINNING_US + self._line * TICK_US + offset_us)

    def _print(self, line: str) -> None:
        self._printed.append(line)
        self._print_result(line)

    def _note(self, text: str) -> None:
        self._print_note(f"line {self._line}: {text}")
