"""Steps of clients: they ask, ask again elsewhere, and take their sessions along."""

from __future__ import annotations

from redis import ConnectionError as Lost

from bayou.errors import Behind, Refusal
from bayou.stamps import split_id
from bayou.write import Draft
from tests.simulation import clients
from tests.simulation.clients import Client
from tests.simulation.ground import Ground


class Asking(Ground):
    """The steps reserve, move, cancel, put, get and again."""

    def _do_reserve(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client = self._client(a)
        return self._ask(client, b, e, clients.reserve(client.name, self._request(client), c, d, c >> 4))

    def _do_put(self, a: int, b: int, c: int, d: int, e: int) -> str:
        client = self._client(a)
        return self._ask(client, b, e, clients.put(client.name, self._request(client), c, d))

    def _do_again(self, a: int, b: int, _c: int, _d: int, e: int) -> str:
        client = self._client(a)
        return self._ask(client, b, e, client.wanted) if client.wanted else "nothing was asked"

    def _do_cancel(self, a: int, b: int, c: int, d: int, e: int) -> str:
        return self._change(a, b, c, d, e, moves=False)

    def _do_move(self, a: int, b: int, c: int, d: int, e: int) -> str:
        return self._change(a, b, c, d, e, moves=True)

    def _change(self, a: int, b: int, c: int, d: int, e: int, *, moves: bool) -> str:
        client, node = self._client(a), self._serving(b)
        owner = client if c % 8 else self._client(c >> 3)
        if node is None or not owner.requests:
            return "nothing"
        of = f"{owner.name}/r{max(0, owner.requests - 1 - (c >> 6) % 12)}"
        page = clients.reservation_page(of)
        needs = client.needs_of_read()
        views = node.store.read([page], needs).pages[page]
        draft = clients.change(client.name, self._request(client), of, views, d, c >> 2, moves=moves)
        return self._ask(client, b, e, draft) if draft else f"{of} unknown at {node.label}"

    def _do_get(self, a: int, b: int, c: int, d: int, _e: int) -> str:
        client, node = self._client(a), self._serving(b)
        if node is None:
            return "nobody serves"
        view = "committed" if d % 3 == 0 else "tentative"
        needs = client.needs_of_read()
        snapshot = node.store.read([f"song:song{c % 6}"], needs, view)
        self.checker.session_held(node.label, needs, view)
        self.scribe.get(client.name, node.label, f"song{c % 6}")
        vector = snapshot.vector if view == "tentative" else snapshot.committed_vector
        if client.guarantees is not None:
            client.token = client.token.after_read(vector)
        return f"{client.name} at {node.label} {view} {snapshot.csn}"

    def _ask(self, client: Client, b: int, e: int, draft: Draft) -> str:
        node = self._serving(b)
        again = client.wanted is draft
        client.wanted = draft
        if node is None:
            return "nobody serves"
        self.scribe.ask(client.name, node.label, draft, again=again)
        needs, text = client.needs_of_write(), f"{client.name}/{draft.request} at {node.label} "
        for _ in range(2):
            before = node.store.state()
            try:
                accepted = node.store.accept(draft, self._clock(node), needs)
            except Lost:
                self.counts["lost replies"] += 1
                text += "no answer "
                if e % 2:
                    return text
                continue
            except Refusal as refusal:
                self.counts["behind" if isinstance(refusal, Behind) else "refused"] += 1
                return text + refusal.code
            self.counts["operations"] += 1
            if accepted.id:
                self.checker.accepted(node.label, accepted.id, before)
                self.checker.look(node)
                self.checker.session_held(node.label, needs, "tentative")
                if client.guarantees is not None:
                    stamp, server = split_id(accepted.id)
                    client.token = client.token.after_write(server, stamp)
            return f"{text}{accepted.id} {accepted.outcome}"
        return text
