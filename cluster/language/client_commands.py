"""The commands of clients, which put songs and make reservations.

A client is a name and the token of one client session. Each client is linked to a server, and sends REST requests to
this server.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from apps.rooms.pages import rooms_of
from cluster.language import printing
from cluster.language.parser import Command, Complaint, ReserveRequest, read_reserve
from cluster.language.world import Client, Server, World
from cluster.rest import Answer, Request

BEHIND = 412  # the server lacks writes that the session has seen
CONFLICT = 409
FORBIDDEN = 403
UNKNOWN = 404
BAD_NAME = 400  # not a valid name of a song

Print = Callable[[str], object]


class ClientCommands:
    """Carries out the commands of clients.

    `send` sends a request to a server, `print_result` prints a line of the results, and `note` prints a complaint.
    """

    def __init__(
        self, world: World, send: Callable[[Server, Request], Answer], print_result: Print, note: Print
    ) -> None:
        self._world = world
        self._send = send
        self._print_result = print_result
        self._note = note
        self._request_ids = (f"w{number}" for number in itertools.count(1))
        self._owners: dict[str, str] = {}  # name of a reservation -> the client who requested it
        self._rooms: dict[str, None] = {}  # in the order in which the script named them

    # Songs

    def put(self, command: Command) -> None:
        client, song, url = command.words
        self._write(client, Request("PUT", _song(song), {"url": url, "request": next(self._request_ids)}))

    def delete(self, command: Command) -> None:
        client, song = command.words
        self._write(client, Request("DELETE", f"{_song(song)}?request={next(self._request_ids)}"))

    def get(self, command: Command) -> None:
        client, song = command.words
        answer = self.as_client(client, Request("GET", _song(song)))
        if answer.status == BEHIND:
            self._print_result(f"{song}:ERR_DEP")
        elif answer.status in {UNKNOWN, BAD_NAME}:
            self._print_result(f"{song}:ERR_KEY")
        else:
            self._print_result(f"{song}:{accepted(answer)['url']}")

    def _write(self, client: str, request: Request) -> None:
        answer = self.as_client(client, request)
        if answer.status == BEHIND:
            self._note(f"dropped: {answer.message}")
        else:
            accepted(answer)

    # Reservations

    def reserve(self, command: Command) -> None:
        wanted = read_reserve(command)
        name = f"r{len(self._owners) + 1}"
        answer = self.as_client(wanted.client, Request("POST", "/reservations", self._body(wanted, name)))
        refused = answer.status == CONFLICT and answer.code == "slot_taken"
        if answer.status != BEHIND and not refused:
            accepted(answer)
        self._owners[name] = wanted.client
        self._rooms |= dict.fromkeys(rooms_of(wanted.room))
        if answer.status == BEHIND:
            self._note(f"{name} is dropped: {answer.message}")
        elif refused:
            self._print_result(f"{name} {wanted.room} - refused")
        else:
            self._print_result(printing.reservation_line(name, answer.body))

    def cancel(self, command: Command) -> None:
        client, name = command.words
        path = f"{self._path(name, client)}?request=c-{next(self._request_ids)}"
        answer = self.as_client(client, Request("DELETE", path))
        if answer.status == CONFLICT:  # it is already cancelled: print its state
            self._note(answer.message)
            answer = self.as_client(client, Request("GET", self._path(name, client)))
        self._show(name, answer)

    def status(self, command: Command) -> None:
        client, name = command.words
        self._show(name, self.as_client(client, Request("GET", self._path(name, client))))

    def _show(self, name: str, answer: Answer) -> None:
        problem = {BEHIND: "ERR_DEP", UNKNOWN: "ERR_KEY", FORBIDDEN: "ERR_OWNER"}.get(answer.status)
        self._print_result(f"{name} {problem}" if problem else printing.reservation_line(name, accepted(answer)))

    def _path(self, name: str, client: str) -> str:
        """Return the REST path of the reservation `name`. If the script has no reservation `name`, return a path that
        no reservation has. This path contains the user name of `client`."""
        owner = Client(self._owners.get(name, client))
        return f"/reservations/{quote(owner.user, safe='')}/{quote(name, safe='')}"

    def _body(self, wanted: ReserveRequest, name: str) -> dict[str, Any]:
        merge: dict[str, Any] = {"name": wanted.merge}
        if wanted.merge == "another_room":
            merge["rooms"] = [room for room in self._rooms if room not in rooms_of(wanted.room)]
            if not merge["rooms"]:  # without another room the two are the same
                merge = {"name": "first_free_alternative"}
        return {
            "room": wanted.room,
            "slots": [{"start": slot.start.isoformat(), "end": slot.end.isoformat()} for slot in wanted.slots],
            "purpose": wanted.purpose,
            "merge": merge,
            "request": name,
            "new_room": True,
        }

    # The session

    def as_client(self, identifier: str, request: Request) -> Answer:
        """Send a request to the client's server, and return the answer.

        Store the session token of the answer in the client. Store the token of a refusal only if the status is 404.
        """
        client, server = self._world.linked(identifier)
        answer = self._send(server, replace(request, headers=_headers(client)))
        if answer.session is not None and (not answer.is_refusal or answer.status == UNKNOWN):
            client.session = answer.session
        return answer


def accepted(answer: Answer) -> Any:
    """Return the body of an answer. If the answer is a refusal, raise Complaint with the server's message."""
    if answer.is_refusal:
        raise Complaint(f"{answer.message} [{answer.code}]")
    return answer.body


def _headers(client: Client) -> dict[str, str]:
    return {"Bayou-User": client.user, "Bayou-Session": client.session}


def _song(song: str) -> str:
    return f"/playlist/{quote(song, safe='')}"
