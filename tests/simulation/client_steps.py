"""Steps of clients. A client may repeat a request at another node. A client uses one client session at all nodes."""

from __future__ import annotations

from collections.abc import Sequence

from redis import ConnectionError as Lost

from apps.rooms.drafts import DraftContext as Who
from bayou.application import Snapshot
from bayou.errors import Behind, Refusal
from bayou.stamps import split_id
from bayou.write import Draft
from tests.simulation import clients, clients_records
from tests.simulation.base import WorldBase
from tests.simulation.clients import Client
from tests.simulation.nodes import Node

NEWEST = 12  # a client changes only its latest reservations


class ClientSteps(WorldBase):
    """Adds these steps to a world: `reserve`, `move`, `cancel`, `put`, `get`, `record` and `again` (repeats the last
    request)."""

    def _do_reserve(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        draft = clients.reserve(self._who(client, node, d >> 8), c, d, c >> 4)
        return self._ask(client, node, e, draft)

    def _do_put(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        return self._ask(client, node, e, clients.put(client.name, self._request(client), c, d))

    def _do_record(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        return self._ask(client, node, e, clients_records.record(client.name, self._request(client), c, d))

    def _do_again(self, a: int, b: int, _c: int, _d: int, e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        return self._ask(client, node, e, client.wanted) if client.wanted else "nothing was asked"

    def _do_cancel(self, a: int, b: int, c: int, d: int, e: int) -> str:
        return self._change(a, b, c, d, e, moves=False)

    def _do_move(self, a: int, b: int, c: int, d: int, e: int) -> str:
        return self._change(a, b, c, d, e, moves=True)

    def _change(self, a: int, b: int, c: int, d: int, e: int, *, moves: bool) -> str:
        client, node = self._client(a), self._near(a, b)
        owner = client if c % 8 else self._client(c >> 3)
        if node is None or not owner.made:
            return "nothing"
        of = newest(owner.made, c >> 6)
        return self._change_one(client, node, of, d, e, self._who(client, node, d >> 8), how=c >> 2, moves=moves)

    def _change_one(
        self, client: Client, node: Node, of: str, d: int, e: int, who: Who, *, how: int = 0, moves: bool = False
    ) -> str:
        page = clients.reservation_page(of)
        views = self._read(client, node, [page]).pages[page]
        draft = clients.change(who, of, views, d, how, self._client(d >> 4).name, moves=moves)
        return self._ask(client, node, e, draft) if draft else f"{of} unknown at {node.label}"

    def _do_get(self, a: int, b: int, c: int, d: int, _e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        view = "committed" if d % 3 == 0 else "tentative"
        snapshot = self._read(client, node, [f"song:song{c % 6}"], view)
        self.scenario.get(client.name, node.label, f"song{c % 6}")
        return f"{client.name} at {node.label} {view} {snapshot.csn}"

    def _near(self, a: int, b: int) -> Node | None:
        """Return a node for a client. In three of four cases, this is the client's usual node."""
        return self._serving(b >> 2) if b % 4 == 0 else self._serving(a % len(self.clients))

    def _who(self, client: Client, node: Node, moment: int, request: str = "", role: str = "user") -> Who:
        """Return the context of a client's request. The context has the node's limit on open reservations."""
        limits = self.plan.limits
        limit = limits[int(node.label[1:]) % len(limits)]
        return clients.request_context(client.name, request or self._request(client), limit, moment, role)

    def _read(self, client: Client, node: Node, pages: Sequence[str], view: str = "tentative") -> Snapshot:
        needs = client.needs_of_read()
        try:
            snapshot = node.store.read(pages, needs, view)
        except Behind:
            self.counts["behind"] += 1
            client.refused()
            raise
        self.checker.session_held(node.label, needs, view)
        vector = snapshot.vector if view == "tentative" else snapshot.committed_vector
        client.served(client.token.after_read(vector))
        return snapshot

    def _ask(self, client: Client, node: Node, e: int, draft: Draft) -> str:
        again = client.wanted is draft
        client.wanted = draft
        self.scenario.ask(client.name, node.label, draft, again=again)
        needs, text = client.needs_of_write(), f"{client.name}/{draft.request} at {node.label} "
        for _ in range(2):
            before = node.store.state()
            try:
                accepted = node.store.accept(draft, self._clock(node), needs)
            except Lost:
                self.counts["lost replies"] += 1
                self._note(client, draft)
                text += "no answer "
                if e % 2:
                    return text
                continue
            except Behind as refusal:
                self.counts["behind"] += 1
                client.refused()
                return text + refusal.code
            except Refusal as refusal:
                self.counts["refused"] += 1
                return text + refusal.code
            self.counts["operations"] += 1
            if accepted.id:
                self.checker.accepted(node.label, accepted.id, before)
                self.checker.look(node)
                self.checker.session_held(node.label, needs, "tentative")
                stamp, server = split_id(accepted.id)
                client.served(client.token.after_write(server, stamp))
                self._note(client, draft)
            return f"{text}{accepted.id} {accepted.outcome}"
        return text

    def _note(self, client: Client, draft: Draft) -> None:
        """If the draft makes or hands over reservations, record the ids of the reservations for the future owner."""
        owner = next((one for one in self.clients if one.name == draft.args.get("owner")), client)
        if owner is not client or draft.op.startswith("reserve"):
            owner.note(draft)


def newest(names: Sequence[str], number: int) -> str:
    """Return one of the last NEWEST names. `number` decides which name."""
    return names[-1 - number % min(NEWEST, len(names))]
