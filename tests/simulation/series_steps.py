"""The steps that change series and people. Managers also change the reservations of other users."""

from __future__ import annotations

from apps.people.drafts import draft_of
from apps.people.pages import ROLES, decode_person, person_page
from apps.people.tokens import hash_of
from apps.rooms.drafts_series import Occurrence, not_cancelled
from apps.rooms.pages import decode_series, owner_of
from tests.simulation import clients, clients_series
from tests.simulation.client_steps import ClientSteps, newest
from tests.simulation.clients import EPOCH, Client, reservation_page
from tests.simulation.nodes import Node

OPS = ("role", "role", "token", "revoke", "revoke", "revoke", "add")  # for people who exist
GIVEN = ("manager", "manager", *ROLES)


class SeriesSteps(ClientSteps):
    """Adds these steps to a world: `reserve_series`, `move_series`, `cancel_series`, `person` and `manage`."""

    def _do_reserve_series(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._near(a, b)
        if node is None:
            return "nobody serves"
        # Some requests have an id that the client has used for another request.
        request = f"r{client.requests - 1}" if c % 8 == 0 and client.requests else self._request(client)
        draft = clients_series.reserve(self._who(client, node, d >> 8, request), c >> 3, d, c >> 5)
        return self._ask(client, node, e, draft)

    def _do_move_series(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._near(a, b)
        if node is None or not client.series:
            return "nothing"
        of = newest(client.series, c >> 8)
        members = self._members(client, node, of, c)
        if not members:
            return f"{of} unknown at {node.label}"
        heir = self._client(d >> 4).name
        draft = clients_series.move(self._who(client, node, d >> 8), of, members, d, c >> 3, heir)
        return self._ask(client, node, e, draft)

    def _do_cancel_series(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._near(a, b)
        if node is None or not client.series:
            return "nothing"
        return self._cancel_series(client, node, newest(client.series, c >> 8), c, d, e)

    def _cancel_series(self, client: Client, node: Node, of: str, c: int, d: int, e: int, role: str = "user") -> str:
        members = self._members(client, node, of, c)
        if not members:
            return f"{of} unknown at {node.label}"
        who = self._who(client, node, d >> 8, role=role)
        if who.manages and d >> 3 & 1:
            draft = clients_series.hand_over(who, of, members, self._client(d >> 4).name)
        else:
            draft = clients_series.cancel(who, of, members)
        return self._ask(client, node, e, draft)

    def _members(self, client: Client, node: Node, of: str, which: int) -> list[Occurrence]:
        """Return the occurrences of a series that are not cancelled at this node.

        If `which` is a multiple of four, leave out the occurrence on the first date.
        """
        page = reservation_page(of)
        series = decode_series(self._read(client, node, [page]).pages[page].tentative)
        if series is None:
            return []
        ids = series.occurrences(of)
        pages = self._read(client, node, [reservation_page(member) for member in ids.values()]).pages
        first = series.dates[1] if which % 4 == 0 and len(series.dates) > 1 else None
        found = not_cancelled([(day, member, pages[reservation_page(member)]) for day, member in ids.items()], first)
        # Take the client's own occurrences, as the product does. In one step of three, or if there are none, take all.
        own = [one for one in found if which % 3 == 0 or owner_of(one.id, one.reservation) == client.name]
        return own or found

    def _do_person(self, a: int, b: int, c: int, d: int, e: int) -> str:
        """Let the operator or a manager change a person at a node."""
        node = self._serving(b)
        if node is None:
            return "nobody serves"
        actor = self.operator if a % 2 else self._manager(a >> 1, node)[0]
        name, request = self._client(d).name, self._request(actor)
        op = OPS[c % len(OPS)] if name in self._roles(node) else "add"
        args = {"role": GIVEN[(d >> 8) % len(GIVEN)]} if op in {"add", "role"} else {}
        args |= {"hash": hash_of(f"{name}.{d}")} if op in {"add", "token"} else {}
        return self._ask(actor, node, e, draft_of(actor.name, request, EPOCH, op, name, **args))

    def _do_manage(self, a: int, b: int, c: int, d: int, e: int) -> str:
        """Let a manager cancel or hand over another user's reservation or series, or reserve a room for another user.

        If this node knows no manager, an ordinary user tries the same and is refused.
        """
        node = self._near(a, b)
        if node is None:
            return "nobody serves"
        client, role = self._manager(a, node)
        others = [other for other in self.clients if other is not client and other.made]
        if not others:
            return "nothing"
        owner = others[c % len(others)]
        if d % 8 == 5 and role == "manager":
            who = self._who(client, node, d >> 8, role=role)
            return self._ask(client, node, e, clients.reserve(who, c, d >> 3, c >> 4, owner.name))
        if owner.series and d % 4 == 0:
            return self._cancel_series(client, node, newest(owner.series, c >> 8), c >> 4, d, e, role)
        of = newest(owner.made, c >> 8)
        return self._change_one(client, node, of, d, e, self._who(client, node, d >> 8, role=role))

    def _manager(self, number: int, node: Node) -> tuple[Client, str]:
        """Choose a client, and the role that the client claims in a request.

        If this node knows a manager, choose a manager. Otherwise, choose an ordinary user.

        In some steps, choose a client who is no manager at this node, but was a manager earlier or at another node.
        This client also claims the role `manager`.
        """
        roles = self._roles(node)
        rotated = [self._client(number + offset) for offset in range(len(self.clients))]
        managers = [client for client in rotated if roles.get(client.name) == "manager"]
        late = [client for client in rotated if client.has_managed and client not in managers]
        for client in managers:
            client.has_managed = True
        chosen = late if late and number >> 4 & 1 else managers
        return (chosen[0], "manager") if chosen else (rotated[0], "user")

    def _roles(self, node: Node) -> dict[str, str]:
        """Return the role of each client who is known as a person at this node."""
        names = {person_page(client.name): client.name for client in self.clients}
        pages = node.store.read(list(names)).pages
        people = {names[page]: decode_person(views.tentative) for page, views in pages.items()}
        return {name: person.role for name, person in people.items() if person}
