"""The world of a script: its servers in the order in which they joined, the links between them, and its clients.

It knows what a script has said, and refuses with a Complaint what is impossible in it; it starts and asks nothing.
Servers and clients have names of their own: where an id is both, a link between two servers is meant first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from cluster.drivers.driver import Pair
from cluster.language.parser import Complaint

LABEL_CHARACTERS_MAX = 24


@dataclass(slots=True)
class Server:
    """`label` is its id in the form that replicas take for labels. A server that has crashed does not run."""

    id: str
    label: str
    running: bool = True


@dataclass(slots=True)
class Client:
    """`server` is the id of the one it is linked to; `missed` of one that retired while it was linked to it.

    `session` is the token of its session, and knows nothing of links.
    """

    id: str
    server: str | None = None
    missed: str | None = None
    session: str = ""

    @property
    def user(self) -> str:
        """The client's id as the name of a user; what such a name cannot hold is +XX, as % in an address."""
        return quote(self.id, safe="@").replace("~", "%7E").replace("%", "+")


@dataclass(slots=True)
class World:
    """Invariant: `cut` holds only pairs of servers that are there, each as its two ids."""

    servers: dict[str, Server] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    cut: set[frozenset[str]] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)  # id -> label
    former_labels: set[str] = field(default_factory=set)  # of those that have retired

    # Servers

    def join(self, identifier: str) -> Server:
        """A new server, the last to have joined. Clients that missed one of its id, which retired, are linked to it."""
        server = Server(identifier, self.label(identifier))
        self.servers[identifier] = server
        for client in self.clients.values():
            if client.missed == identifier:
                client.server, client.missed = identifier, None
        return server

    def check_new(self, identifier: str) -> None:
        """Raises Complaint for the id of a server that is there."""
        if identifier in self.servers:
            state = "runs already" if self.servers[identifier].running else "has crashed; recover it"
            raise Complaint(f"server {identifier} {state}")

    def leave(self, server: Server) -> None:
        """It has retired. Not every server knows of it yet: so whoever has its id next gets another label."""
        del self.servers[server.id]
        self.former_labels.add(self.labels.pop(server.id))
        self.cut = {pair for pair in self.cut if server.id not in pair}
        for client in self.clients.values():
            if client.server == server.id:
                client.server, client.missed = None, server.id

    def server(self, identifier: str) -> Server:
        """A server that is there, running or not."""
        if identifier not in self.servers:
            raise Complaint(f"there is no server {identifier}")
        return self.servers[identifier]

    def running_server(self, identifier: str) -> Server:
        server = self.server(identifier)
        if not server.running:
            raise Complaint(f"server {identifier} has crashed; recover it first")
        return server

    def running(self) -> list[Server]:
        """The servers that run, in the order in which they joined."""
        return [server for server in self.servers.values() if server.running]

    def reachable(self, server: Server) -> Iterator[Server]:
        """The others that run and have a working link to it, in the order in which they joined."""
        return (other for other in self.running() if other is not server and self.is_linked(server.id, other.id))

    def label(self, identifier: str) -> str:
        """The label of a server's id: the id itself where it can be one; never that of another id."""
        if identifier not in self.labels:
            plain = re.sub(r"[^a-z0-9_-]", "-", identifier.lower())[:LABEL_CHARACTERS_MAX]
            taken, label, number = {*self.labels.values(), *self.former_labels}, plain, 1
            while label in taken:
                number += 1
                label = f"{plain}-{number}"
            self.labels[identifier] = label
        return self.labels[identifier]

    def id_of(self, label: str) -> str:
        """The id of a label."""
        return next((identifier for identifier, known in self.labels.items() if known == label), label)

    # Links between servers

    def is_linked(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.cut

    def working_links(self) -> list[Pair]:
        """The labels of every two servers that run and have a working link, in the order in which they joined."""
        running = self.running()
        return [
            (one.label, other.label)
            for number, one in enumerate(running)
            for other in running[number + 1 :]
            if self.is_linked(one.id, other.id)
        ]

    def set_link(self, one: Server, other: Server, *, up: bool) -> bool:
        """Whether that changed it."""
        pair = frozenset((one.id, other.id))
        if (pair not in self.cut) == up:
            return False
        self.cut.symmetric_difference_update({pair})
        return True

    # Clients

    def add_client(self, identifier: str) -> Client:
        """The client of that id, a new one if there was none."""
        return self.clients.setdefault(identifier, Client(identifier))

    def linked(self, identifier: str) -> tuple[Client, Server]:
        """A client and the running server to which it has a link."""
        if identifier not in self.clients:
            raise Complaint(f"there is no client {identifier}")
        client = self.clients[identifier]
        if client.server is None:
            raise Complaint(f"client {identifier} has no link to a server")
        server = self.servers[client.server]
        if not server.running:
            raise Complaint(f"server {server.id}, to which client {identifier} is linked, has crashed")
        return client, server

    def ends(self, one: str, other: str) -> tuple[Server, Server] | tuple[Client, Server]:
        """What a connection is between: two servers, or a client and a server in either order."""
        if one != other and one in self.servers and other in self.servers:
            return self.servers[one], self.servers[other]
        for client, server in ((one, other), (other, one)):
            if client in self.clients and server in self.servers:
                return self.clients[client], self.servers[server]
        unknown = [name for name in (one, other) if name not in self.servers and name not in self.clients]
        if unknown:
            raise Complaint(f"there is no server or client {unknown[0]}")
        raise Complaint(f"{one} and {other} are not two servers, nor a client and a server")


def client_of(user: str) -> str:
    """The client's id of a user's name, for those that `Client.user` made."""
    return unquote(user.replace("+", "%"))


def only(servers: Iterable[Server], otherwise: str) -> Server:
    """The first of these; Complaint where there is none."""
    for server in servers:
        return server
    raise Complaint(otherwise)
