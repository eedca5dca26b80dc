"""The id of this replica. It is decided at each start, and after each restart of Redis, before any write is accepted.

The decision depends on the identity file and on the content of the namespace; storage/identity_file.py has the rules. A
new id is recorded in the identity file before any write is made under the id. Before a full state is installed, a new
id is reserved in the identity file, because the installation may need a new id.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bayou.errors import Conflict, Refusal
from bayou.vectors import own_stamp
from replica.anti_entropy.peer_addresses import peer_addresses
from replica.anti_entropy.tls import read_credentials
from replica.clock import Clock, microseconds
from replica.config import Address, Config
from replica.membership.rpc import Held, Introduction, request_held
from storage.identity_file import IdentityFile, mint
from storage.redis.connect import OpenStorage
from storage.store import Store


class Identity:
    """Decides the id of this replica. Implements storage.full_state.Ids. `say` prints a line about a new id for the
    operator. `process` is a random text that each process chooses. The process of a copy of this replica has another
    text."""

    def __init__(
        self, storage: OpenStorage, settings: Config, label: str, clock: Clock, say: Callable[[str], object]
    ) -> None:
        self.settings = settings
        self.label = label
        self.clock = clock
        self.process = secrets.token_hex(8)
        self._storage = storage
        self._say = say
        self._changing = threading.RLock()

    def resolve(self, store: Store, *, restored: bool = False, is_whole: bool | None = None) -> str | None:
        """Decide the id, record it in the identity file, and open the namespace under the id. Raises Conflict
        `other_cluster` if the namespace belongs to another cluster. The class Findings in storage/identity_file.py
        explains `restored` and `is_whole`.

        `store` must be able to reach Redis even while no other client can. Returns the reason for a new id. Returns
        None if the id is not new, or if this is the first start.
        """
        with self._changing:
            found, known = store.server(), self._storage.identity_file
            # No write is accepted before `founded_at` is noted, so a start after a crash before that is a first start.
            # Every start with a storage in memory is one too. Otherwise an empty namespace has lost its writes, and a
            # former primary must not become the primary again.
            in_memory = self.settings.redis_of(self.label) == "memory"
            first = found is None and (known is None or not known.founded_at or in_memory)
            decision = self._storage.decide(found, mark(store), restored=restored, is_whole=is_whole)
            server, reason = decision.id, decision.reason
            if server and decision.may_be_copy and (doubt := self._doubt(store, server)):
                server, reason = None, f"{reason} {doubt}"
            if server and known and known.left:
                server, reason = None, f"{known.id} has retired."
            was_primary = found is not None and store.state().primary == found
            founder = self.label in self.settings.founders
            is_new = server is None
            server = server or mint(self.label)
            first_primary = first and founder and self.label == self.settings.primary
            self._begin(store, server, first_primary=first_primary, restored=restored)
        if known and server == known.next:
            return _id_of_full_state(known.id, server)
        if not is_new or first:
            return None
        return _new_id(reason, server, was_primary=was_primary)

    def _doubt(self, store: Store, server: str) -> str | None:
        """Ask the peers whether this replica may keep its id, although its data may be an older copy. Return the reason
        for a new id. Return None if this replica may keep the id.

        A new id is needed if a peer cannot be asked. A new id is also needed if a peer holds later writes or commits of
        this replica, or if a peer reaches another replica that runs under the id.
        """
        state, answers = store.state(), self._ask_peers(store, server)
        for label, held in answers.items():
            if held and held.runs_elsewhere:
                return f"{label} reaches another replica that runs under this id."
            if held and held.stamp > own_stamp(state.vector, server):
                return f"{label} holds later writes of this replica."
            if held and state.is_primary and held.csn > state.csn:
                return f"{label} holds later commits of this replica."
        if silent := [label for label, held in answers.items() if held is None]:
            return f"{', '.join(silent)} cannot be asked, and may hold later writes of this replica."
        return None

    def _ask_peers(self, store: Store, server: str) -> dict[str, Held | None]:
        """Send the call Held to each peer, and return the answers by label. `server` is the id of this replica. The
        answer of a peer that cannot be asked is None."""
        # Forgotten servers are asked too: one that is not lost after all may hold later writes of this replica.
        peers = peer_addresses(self.settings, self.label, store.state(), store.members(), {}, ())
        own = Introduction(self.settings.cluster_id, server, self.label, self.process)
        credentials = read_credentials(self.settings, self.label)
        if not peers:
            return {}

        def ask(address: Address) -> Held | None:
            try:
                return request_held(address, own, credentials)
            except Refusal:
                return None

        with ThreadPoolExecutor(len(peers)) as pool:
            return dict(zip(peers, pool.map(ask, peers.values()), strict=True))

    def find_original(self, store: Store) -> str | None:
        """Ask the peers whether this primary is a copy whose original still runs. If an answer shows that there is an
        original, return a sentence about this answer. Otherwise return None."""
        state = store.state()
        for label, held in self._ask_peers(store, state.server).items():
            if held and held.runs_elsewhere:
                return f"{label} reaches another replica that runs as {state.server}."
            is_rival = held and held.primary == held.server and held.history == state.history
            if held and is_rival and (held.csn, held.server) > (state.csn, state.server):
                return f"{label} is the primary, and has more commits than this replica."
        return None

    def renew(
        self, store: Store, lost: str, reason: str, *, is_copy: bool = False, retires: bool = False
    ) -> str | None:
        """Replace the id `lost` by a new id. Return a line for the operator that begins with `reason`. If this replica
        no longer has the id `lost`, change nothing and return None.

        If `is_copy` is true, this replica gives up its history, so the commits of any peer prevail. If `retires` is
        true, the new id retires when this replica has made again the writes that were set aside.
        """
        with self._changing:
            state = store.state()
            if state.server != lost:
                return None
            server = mint(self.label)
            self._begin(store, server, first_primary=False, manner="copy" if is_copy else "retires" if retires else "")
        if is_copy:
            return (
                f"{reason} So this replica is an older copy of {lost}. This replica goes on as {server}. If its commits"
                " differ from those of a peer, the commits of the peer count."
            )
        return _new_id(reason, server, was_primary=state.is_primary)

    def force_primary(self, store: Store, now_us: int, *, heals: bool = False) -> str:
        """Become the primary without asking the old primary. `heals` is true if a copy of this primary has run. Returns
        the new id of this replica."""
        with self._changing:
            before = self._storage.identity_file
            assert before is not None
            server = mint(self.label)
            self._storage.amend(id=server)
            try:
                store.force(server, now_us, heals=heals)
            except Conflict:
                self._storage.amend(id=before.id)
                raise
            return server

    def reserve(self, server: Callable[[], str | None]) -> str:
        with self._changing:
            self.learn(server)  # an earlier full state may have brought its id, although no answer came
            fresh = mint(self.label)
            self._storage.amend(next=fresh)
            return fresh

    def learn(self, server: Callable[[], str | None]) -> None:
        with self._changing:
            known = self._storage.identity_file
            assert known is not None
            if known.next and server() == known.next:
                self._storage.amend(id=known.next, next="", founded_at=self._now())
                self._say(_id_of_full_state(known.id, known.next))

    def leave(self) -> None:
        """Record that this replica has retired and that another replica holds all its writes."""
        with self._changing:
            self._storage.amend(left=True)

    def _begin(
        self, store: Store, server: str, *, first_primary: bool, restored: bool = False, manner: str = ""
    ) -> None:
        """Record the id in the identity file, and then open the namespace under the id. At a first start, record
        `founded_at` after the namespace is open.

        `restored` says that the data is an older copy. A wrong clock may have left late stamps in the log of this copy.
        So if the last stamp is more than a year beyond the clock, the stamps of a new id start from the clock.
        """
        cluster, now = self.settings.cluster_id, self._now()
        noted = self._storage.identity_file or IdentityFile(id=server, label=self.label, cluster=cluster, founded_at="")
        if noted.id != server:
            noted = replace(noted, id=server, next="", founded_at=now if noted.founded_at else "", left=False)
        self._storage.confirm(noted)
        clock_us = microseconds(self.clock()) if restored else None
        if store.begin(server=server, cluster=cluster, first_primary=first_primary, clock_us=clock_us, manner=manner):
            self._say("The data had the format of the previous release. It was converted to the present format.")
        if not noted.founded_at:
            self._storage.confirm(replace(noted, founded_at=now))

    def _now(self) -> str:
        return self.clock().isoformat(timespec="seconds")


def mark(store: Store) -> str:
    """Return the mark of a clean stop: a text that describes the content of the namespace. Two different states have
    different marks."""
    if store.server() is None:
        return ""
    state = store.state()
    return f"csn {state.csn}, clock {state.clock}, own {state.vector.get(state.server, 0)}, tentative {state.tentative}"


def _id_of_full_state(old: str, new: str) -> str:
    return f"The full state that was installed does not match the last writes of {old}. This replica goes on as {new}."


def _new_id(reason: str, server: str, *, was_primary: bool) -> str:
    lost = (
        " This replica is no longer the primary. To make it the primary again, run `admin promote --force`."
        if was_primary
        else ""
    )
    return f"{reason} This replica goes on as {server}.{lost}"
