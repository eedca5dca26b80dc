"""The world of a script: its servers, the links between servers, and its clients.

The world records what the script has done, and raises Complaint if a command is impossible. It sends nothing to
servers. The servers are in the order in which they joined.

A server and a client may have the same id. If both ids of a link are ids of servers, the link is between these servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from urllib.parse import quote, unquote

from cluster.drivers.driver import Pair
from cluster.language.parser import Complaint

LABEL_CHARACTERS_MAX = 24


@dataclass(slots=True)
class Server:
    """A server of the script. `id` is its name in the script, and `label` is the label of the replica. `running` is
    false after a crash."""

    id: str
    label: str
    running: bool = True


@dataclass(slots=True)
class Client:
    """A client of the script.

    server   the id of the server that the client is linked to; None without a link
    retired  the id of the server that retired while the client was linked to it; None after a new link
    session  the session token of the client; a link to another server does not change the token
    """

    id: str
    server: str | None = None
    retired: str | None = None
    session: str = ""

    @property
    def user(self) -> str:
        """The client's id as a user name. A character that is not allowed in a name becomes +XX, like %XX in a URL."""
        return quote(self.id, safe="@").replace("~", "%7E").replace("%", "+")


@dataclass(slots=True)
class World:
    """The servers, links and clients of a script.

    Invariant: `cut` has only pairs of server ids, and `servers` has both ids of each pair.
    """

    servers: dict[str, Server] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    cut: set[frozenset[str]] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)  # id -> label
    former_labels: set[str] = field(default_factory=set)  # of servers that have retired

    # Servers

    def join(self, identifier: str) -> Server:
        """Add a server. Clients of a retired server with the same id are linked to the new server."""
        server = Server(identifier, self.label(identifier))
        self.servers[identifier] = server
        for client in self.clients.values():
            if client.retired == identifier:
                client.server, client.retired = identifier, None
        return server

    def check_new(self, identifier: str) -> None:
        """Raise Complaint if there is already a server with this id."""
        if identifier in self.servers:
            state = "is already running" if self.servers[identifier].running else "has crashed; recover it"
            raise Complaint(f"server {identifier} {state}")

    def leave(self, server: Server) -> None:
        """Remove a server that has retired.

        A server that joins later with the same id gets another label, which no server has used before.
        """
        del self.servers[server.id]
        self.former_labels.add(self.labels.pop(server.id))
        self.cut = {pair for pair in self.cut if server.id not in pair}
        for client in self.clients.values():
            if client.server == server.id:
                client.server, client.retired = None, server.id

    def server(self, identifier: str) -> Server:
        """Return the server with this id, running or not. Raise Complaint if there is none."""
        if identifier not in self.servers:
            raise Complaint(f"there is no server {identifier}")
        return self.servers[identifier]

    def running_server(self, identifier: str) -> Server:
        server = self.server(identifier)
        if not server.running:
            raise Complaint(f"server {identifier} has crashed; recover it first")
        return server

    def running(self) -> list[Server]:
        """Return the running servers, in the order in which they joined."""
        return [server for server in self.servers.values() if server.running]

    def reachable(self, server: Server) -> Iterator[Server]:
        """Yield the running servers with a working link to this server, in the order in which they joined."""
        return (other for other in self.running() if other is not server and self.is_linked(server.id, other.id))

    def label(self, identifier: str) -> str:
        """Return the label for the server with this id. If the id is a valid label that no other server has used, the
        label is the id. Different ids have different labels."""
        if identifier not in self.labels:
            plain = re.sub(r"[^a-z0-9_-]", "-", identifier.lower())[:LABEL_CHARACTERS_MAX]
            taken, label, number = {*self.labels.values(), *self.former_labels}, plain, 1
            while label in taken:
                number += 1
                label = f"{plain}-{number}"
            self.labels[identifier] = label
        return self.labels[identifier]

    def id_of(self, label: str) -> str:
        """Return the id of the server with this label."""
        return next((identifier for identifier, known in self.labels.items() if known == label), label)

    # Links between servers

    def is_linked(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.cut

    def working_links(self) -> list[Pair]:
        """Return the working links between running servers, as pairs of labels, in the order in which the servers
        joined."""
        pairs = combinations(self.running(), 2)
        return [(one.label, other.label) for one, other in pairs if self.is_linked(one.id, other.id)]

    def connect(self, one: str, other: str, *, up: bool) -> None:
        """Cut or restore the link between two servers, or between a client and a server in either order."""
        if one != other and one in self.servers and other in self.servers:
            pair = frozenset((one, other))
            self.cut = self.cut - {pair} if up else self.cut | {pair}
        elif one in self.clients and other in self.servers:
            self._link_client(self.clients[one], other, up=up)
        elif other in self.clients and one in self.servers:
            self._link_client(self.clients[other], one, up=up)
        else:
            unknown = [name for name in (one, other) if name not in self.servers and name not in self.clients]
            if unknown:
                raise Complaint(f"there is no server or client {unknown[0]}")
            raise Complaint(
                f"there can be no link between {one} and {other}; give two servers, or a client and a server"
            )

    # Clients

    def join_client(self, identifier: str, server: str) -> None:
        """Link a client to a server. If the client is new, add the client first."""
        found = self.server(server)
        self._link_client(self.clients.setdefault(identifier, Client(identifier)), found.id, up=True)

    def linked(self, identifier: str) -> tuple[Client, Server]:
        """Return a client, and the running server of this client. Raise Complaint if there is no such client, or if the
        client has no running server."""
        if identifier not in self.clients:
            raise Complaint(f"there is no client {identifier}")
        client = self.clients[identifier]
        if client.server is None:
            raise Complaint(f"client {identifier} has no link to a server; use restoreConnection")
        server = self.servers[client.server]
        if not server.running:
            raise Complaint(f"server {server.id} of client {identifier} has crashed; recover the server first")
        return client, server

    def _link_client(self, client: Client, server: str, *, up: bool) -> None:
        if up:
            client.server, client.retired = server, None
        elif client.server == server:
            client.server = None


def client_of(user: str) -> str:
    """Return the client's id from a user name that `Client.user` made."""
    return unquote(user.replace("+", "%"))
