"""Runs a script of the scenario language on a driver, one command a line.

This module implements the commands of servers and operators, and decides when anti-entropy runs. The commands of
clients are in cluster/language/client_commands.py, the format of results in cluster/language/printing.py.
"""

from __future__ import annotations

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
from cluster.language.world import Client, Server, World
from cluster.rest import Answer, Request

LOG_PAGE = 1000
TICK_US = 1_000_000  # the clock advances by this with each line
# Commands that leave nothing new to exchange.
QUIET = {"pause", "printLog", "get", "status", "calendar", "printVectors", "truncate", "export", "clock", "expect"}

Print = Callable[[str], object]


class Runner:
    """Runs the lines of a script. `print_result` takes each line of the results, `note` takes each complaint.

    `failures` counts the expectations that did not hold.
    """

    def __init__(self, driver: Driver, print_result: Print, note: Print) -> None:
        self.failures = 0
        self._driver = driver
        self._print_result = print_result
        self._print_note = note
        self._world = World()
        self._names = printing.Names()
        self._cut_at: set[tuple[str, str]] = set()  # (here, there): the server `here` has cut its link to `there`
        self._has_primary = False
        self._paused = False
        self._line = 0
        self._offsets_us: dict[str, int] = {}  # by label
        self._printed: list[str] = []  # results of the last command
        clients = ClientCommands(self._world, self._send, self._print, self._note)
        self._commands: dict[str, Callable[[Command], object]] = {
            "joinServer": self._join_server,
            "retireServer": self._retire_server,
            "joinClient": self._join_client,
            "breakConnection": lambda command: self._connect(command, up=False),
            "restoreConnection": lambda command: self._connect(command, up=True),
            "pause": self._pause,
            "start": self._start,
            "stabilize": self._stabilize,
            "printLog": self._print_log,
            "put": clients.put,
            "delete": clients.delete,
            "get": clients.get,
            "reserve": clients.reserve,
            "cancel": clients.cancel,
            "status": clients.status,
            "calendar": self._calendar,
            "printVectors": self._print_vectors,
            "truncate": self._truncate,
            "export": self._export,
            "import": self._import,
            "crash": self._crash,
            "recover": self._recover,
            "promote": self._promote,
            "commit": self._commit,
            "clock": self._clock,
            "expect": self._expect,
        }

    @property
    def world(self) -> World:
        """The servers, links and clients of the script so far."""
        return self._world

    @property
    def is_paused(self) -> bool:
        return self._paused

    def run(self, lines: Iterable[str]) -> None:
        """Run all lines in order. A line that fails is reported with `note` and skipped."""
        for line in lines:
            self.step(line)

    def step(self, line: str) -> None:
        """Run one line, then the sessions that it makes possible."""
        self._line += 1
        before, command = self._printed, None
        try:
            command = language.read_line(line)
            if command is None:
                return
            if command.name != "expect":
                self._printed = []
            self._commands[command.name](command)
        except Complaint as complaint:
            self._printed = before if command and command.name == "expect" else []
            self._note(str(complaint))
            return
        except Failed as failure:
            self._note(str(failure))
        if not self._paused and command is not None and command.name not in QUIET:
            self._quiesce()

    # Servers and links

    def _join_server(self, command: Command) -> None:
        identifier = command.words[0]
        world, label = self._world, self._world.label(identifier)
        world.check_new(identifier)
        if not self._has_primary:
            self._set_clock(label)
            self._driver.start_primary(label)
            self._has_primary = True
        else:
            creator = next(iter(world.running()), None)
            if creator is None:
                raise Complaint(f"no server runs that could create {identifier}")
            self._set_clock(creator.label)
            self._set_clock(label)
            self._driver.create(label, creator.label)
        server = world.join(identifier)
        self._learn_name(server)
        self._apply_links()

    def _retire_server(self, command: Command) -> None:
        server = self._world.running_server(command.words[0])
        heir = next(self._world.reachable(server), None)
        if heir is None:
            raise Complaint(f"server {server.id} reaches no other server, so it cannot retire")
        self._set_clock(server.label)
        self._set_clock(heir.label)
        self._driver.retire(server.label, heir.label)
        self._world.leave(server)
        self._cut_at = {end for end in self._cut_at if end[0] != server.label}

    def _crash(self, command: Command) -> None:
        server = self._world.running_server(command.words[0])
        self._driver.crash(server.label)
        server.running = False

    def _recover(self, command: Command) -> None:
        server = self._world.server(command.words[0])
        if server.running:
            raise Complaint(f"server {server.id} has not crashed")
        self._set_clock(server.label)
        self._driver.recover(server.label)
        server.running = True
        self._learn_name(server)
        self._apply_links()

    def _join_client(self, command: Command) -> None:
        server = self._world.server(command.words[1])
        self._link_client(self._world.add_client(command.words[0]), server, up=True)

    def _connect(self, command: Command, *, up: bool) -> None:
        one, server = self._world.ends(*command.words)
        if isinstance(one, Client):
            self._link_client(one, server, up=up)
        elif self._world.set_link(one, server, up=up):
            self._apply_links()

    def _link_client(self, client: Client, server: Server, *, up: bool) -> None:
        if up:
            client.server, client.retired = server.id, None
        elif client.server == server.id:
            client.server = None

    def _apply_links(self) -> None:
        """Tell both ends of each link whether it is cut, if they run and know each other."""
        servers = list(self._world.servers.values())
        for here in servers:
            for there in servers:
                end = (here.label, there.label)
                up = self._world.is_linked(here.id, there.id)
                if here is there or not here.running or (end not in self._cut_at) == up:
                    continue
                answer = self._send(here, Request("PUT", f"/replica/links/{there.label}", {"up": up}))
                if answer.status != 404:  # this end may not know the other yet
                    accepted(answer)
                    self._cut_at.symmetric_difference_update({end})

    # Anti-entropy

    def _pause(self, command: Command) -> None:
        del command
        self._paused = True

    def _start(self, command: Command) -> None:
        del command
        self._paused = False

    def _stabilize(self, command: Command) -> None:
        del command  # every command ends with quiescence
        if self._paused:
            self._note("anti-entropy is paused, so nothing is exchanged")

    def _quiesce(self) -> None:
        try:
            quiesce(self._driver, self._world.working_links(), self._no_session)
        except Failed as failure:
            self._note(str(failure))

    def _no_session(self, pair: tuple[str, str], problem: str) -> None:
        one, other = map(self._world.id_of, pair)
        self._note(f"no session between {one} and {other}: {problem}")

    # Commands that print what a server holds

    def _print_log(self, command: Command) -> None:
        for write in self.log(self._world.running_server(command.words[0])):
            line = printing.log_line(write)
            if line is not None:
                self._print(line)

    def log(self, server: Server) -> Iterator[Mapping[str, Any]]:
        """Return the writes in the log of a running server, oldest first, as `GET /replica/log` returns them."""
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
        server = self._world.running_server(identifier)
        query = printing.day_query(first) | ({"view": "committed"} if view else {})
        answer = self._send(server, Request("GET", f"/rooms/{quote(room, safe='')}/calendar?{urlencode(query)}"))
        if answer.status == 404:
            return  # no write that arrived here has named the room
        for entry in accepted(answer)["reservations"]:
            self._print(printing.calendar_line(entry, first))

    def _print_vectors(self, command: Command) -> None:
        server = self._world.running_server(command.words[0])
        for one in self._world.running():  # any of them may have a new id
            self._learn_name(one)
        for line in printing.vector_lines(self.describe(server), self._names):
            self._print(line)

    def _learn_name(self, server: Server) -> None:
        self._names.learn(self.describe(server)["id"], server.id)

    # Commands of an operator

    def _truncate(self, command: Command) -> None:
        keep = language.read_count(command.words[1])
        server = self._world.running_server(command.words[0])
        accepted(self._send(server, Request("POST", "/replica/truncate", {"keep": keep})))

    def _export(self, command: Command) -> None:
        identifier, file, *rest = command.words
        if rest[:1] not in ([], ["from"]) or len(rest) == 1:
            raise command.usage()
        server = self._world.running_server(identifier)
        query = {}
        if rest:
            held = self.describe(self._world.running_server(rest[1]))
            query = {"csn": str(held["csn"]), "v": printing.vector_query(held["vectors"]["V"])}
        content = accepted(self._send(server, Request("GET", f"/replica/export?{urlencode(query)}")))
        try:
            Path(file).write_bytes(content)
        except OSError as error:
            raise Complaint(f"{file} cannot be written: {error.strerror}") from None

    def _import(self, command: Command) -> None:
        identifier, file = command.words
        server = self._world.running_server(identifier)
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise Complaint(f"{file} cannot be read: {error.strerror}") from None
        accepted(self._send(server, Request("POST", "/replica/import", content=content)))

    def _promote(self, command: Command) -> None:
        identifier, *force = command.words
        if force not in ([], ["force"]):
            raise command.usage()
        server = self._world.running_server(identifier)
        if self.describe(server)["primary"]["here"]:
            raise Complaint(f"server {server.id} is the primary already")
        primary = None if force else self._primary_for(server)
        for one in (server, primary):
            if one is not None:
                self._set_clock(one.label)
        self._driver.promote(server.label, None if primary is None else primary.label)
        self._learn_name(server)

    def _primary_for(self, server: Server) -> Server:
        """The primary that can hand over to this server in a session. Raises Complaint if there is none."""
        primary = self._primary()
        if primary is None:
            raise Complaint("the primary does not run; add `force` to promote without it")
        if not self._world.is_linked(server.id, primary.id):
            raise Complaint(f"the link between the primary {primary.id} and {server.id} is cut")
        return primary

    def _primary(self) -> Server | None:
        """The running server that acts as primary; if there are several, the one with the newest epoch.

        None if there is none.
        """
        found: dict[tuple[int, str], Server] = {}
        for server in self._world.running():
            replica = self.describe(server)
            if replica["primary"]["here"]:
                found[replica["epoch"]["number"], replica["epoch"]["promoter"]] = server
        return found[max(found)] if found else None

    def _commit(self, command: Command) -> None:
        server = self._world.running_server(command.words[0])
        accepted(self._send(server, Request("POST", "/replica/commit")))

    def _clock(self, command: Command) -> None:
        offset_us = language.read_offset(command.words[1])
        self._offsets_us[self._world.server(command.words[0]).label] = offset_us

    def _expect(self, command: Command) -> None:
        if command.text not in self._printed:
            self.failures += 1
            printed = " | ".join(self._printed) or "nothing"
            self._note(f"expected {command.text!r}; the last command printed {printed}")

    # Helpers

    def _send(self, server: Server, request: Request) -> Answer:
        if request.method != "GET":
            self._set_clock(server.label)
        return self._driver.send(server.label, request)

    def _set_clock(self, label: str) -> None:
        offset_us = self._offsets_us.get(label, 0)
        self._driver.set_clock(label, BEGINNING_US + self._line * TICK_US + offset_us)

    def _print(self, line: str) -> None:
        self._printed.append(line)
        self._print_result(line)

    def _note(self, text: str) -> None:
        self._print_note(f"line {self._line}: {text}")
