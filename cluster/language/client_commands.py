"""What clients do in a script: songs and reservations, each within the client's session.

A client is a name and a session's token; what it asks goes to the server to which it is linked, over REST.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from cluster.drivers.driver import Answer, Ask
from cluster.language import printing
from cluster.language.parser import Command, Complaint, Wish, read_reserve
from cluster.language.world import Client, Server, World

BEHIND = 412  # the server has not yet seen what the session has seen
CONFLICT = 409
FORBIDDEN = 403
UNKNOWN = 404
NO_SUCH_NAME = 400  # what cannot be the name of a song

Say = Callable[[str], object]


class ClientCommands:
    """`ask` sends a request to a server, `say` prints a result, `tell` says the rest."""

    def __init__(self, world: World, ask: Callable[[Server, Ask], Answer], say: Say, tell: Say) -> None:
        self._world = world
        self._ask = ask
        self._say = say
        self._tell = tell
        self._requests = 0
        self._owners: dict[str, str] = {}  # name of a reservation -> the client who asked for it
        self._rooms: dict[str, None] = {}  # as they were named

    # Songs

    def put(self, command: Command) -> None:
        client, song, url = command.words
        self._write(client, Ask("PUT", _song(song), {"url": url, "request": self._request()}))

    def delete(self, command: Command) -> None:
        client, song = command.words
        self._write(client, Ask("DELETE", f"{_song(song)}?request={self._request()}"))

    def get(self, command: Command) -> None:
        client, song = command.words
        answer = self._as_client(client, Ask("GET", _song(song)))
        if answer.status == BEHIND:
            self._say(f"{song}:ERR_DEP")
        elif answer.status in {UNKNOWN, NO_SUCH_NAME}:
            self._say(f"{song}:ERR_KEY")
        else:
            self._say(f"{song}:{accepted(answer)['url']}")

    def _write(self, client: str, ask: Ask) -> None:
        answer = self._as_client(client, ask)
        if answer.status == BEHIND:
            self._tell(f"dropped: {answer.message}")
        else:
            accepted(answer)

    def _request(self) -> str:
        self._requests += 1
        return f"w{self._requests}"

    # Reservations

    def reserve(self, command: Command) -> None:
        wish = read_reserve(command)
        name = f"r{len(self._owners) + 1}"
        answer = self._as_client(wish.client, Ask("POST", "/reservations", self._body(wish, name)))
        refused = answer.status == CONFLICT and answer.code == "slot_taken"
        if answer.status != BEHIND and not refused:
            accepted(answer)
        self._owners[name] = wish.client
        self._rooms[wish.room] = None
        if answer.status == BEHIND:
            self._tell(f"{name} is dropped: {answer.message}")
        elif refused:
            self._say(f"{name} {wish.room} - refused")
        else:
            self._say(printing.reservation_line(name, answer.body))

    def cancel(self, command: Command) -> None:
        client, name = command.words
        answer = self._as_client(client, Ask("DELETE", f"{self._path(name, client)}?request=c-{self._request()}"))
        if answer.status == CONFLICT:  # as it is cancelled already: the line shows how it is
            self._tell(answer.message)
            answer = self._as_client(client, Ask("GET", self._path(name, client)))
        self._show(name, answer)

    def status(self, command: Command) -> None:
        client, name = command.words
        self._show(name, self._as_client(client, Ask("GET", self._path(name, client))))

    def _show(self, name: str, answer: Answer) -> None:
        problem = {BEHIND: "ERR_DEP", UNKNOWN: "ERR_KEY", FORBIDDEN: "ERR_OWNER"}.get(answer.status)
        self._say(f"{name} {problem}" if problem else printing.reservation_line(name, accepted(answer)))

    def _path(self, name: str, client: str) -> str:
        """A name that nobody was given is looked up as one of the client's own, and not found by the server."""
        owner = Client(self._owners.get(name, client))
        return f"/reservations/{quote(owner.user, safe='')}/{quote(name, safe='')}"

    def _body(self, wish: Wish, name: str) -> dict[str, Any]:
        merge: dict[str, Any] = {"name": wish.merge}
        if wish.merge == "another_room":
            merge["rooms"] = [room for room in self._rooms if room != wish.room]
            if not merge["rooms"]:  # then it is what this one does
                merge = {"name": "first_free_alternative"}
        return {
            "room": wish.room,
            "slots": [{"start": slot.start.isoformat(), "end": slot.end.isoformat()} for slot in wish.slots],
            "purpose": wish.purpose,
            "merge": merge,
            "request": name,
            "new_room": True,
        }

    # The session

    def _as_client(self, identifier: str, ask: Ask) -> Answer:
        """Ask the server to which the client is linked; the session goes on from its answer, but from no refusal."""
        client, server = self._world.linked(identifier)
        answer = self._ask(server, replace(ask, headers=_headers(client)))
        if answer.session is not None and (not answer.is_refusal or answer.status == UNKNOWN):
            client.session = answer.session
        return answer


def accepted(answer: Answer) -> Any:
    """The body of an answer; Complaint with what the server said, where it refused."""
    if answer.is_refusal:
        raise Complaint(f"{answer.message} [{answer.code}]")
    return answer.body


def _headers(client: Client) -> dict[str, str]:
    return {"Bayou-User": client.user, "Bayou-Session": client.session}


def _song(song: str) -> str:
    return f"/playlist/{quote(song, safe='')}"
