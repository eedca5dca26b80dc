"""One running replica, wired together: storage, identity, peers, screens and REST, started and stopped in order.

It holds no state of its own that matters: kill it anywhere and start it again, and nothing acknowledged is lost.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis import Redis, RedisError

from apps.api.application import Application
from bayou.errors import Away, Refusal
from bayou.state import State
from replica.anti_entropy.peers import LivePeers
from replica.clock import chosen_clock
from replica.config import Config
from replica.events.console import Console
from replica.events.counters import Counters
from replica.events.describe import Describer
from replica.events.expand import Transaction
from replica.events.feed import Tail
from replica.http.app import create_app
from replica.http.auth import new_operator_token
from replica.http.parts import Parts
from replica.http.server import WebServer
from replica.http.service import ReplicaService
from replica.log_truncation import Truncating
from replica.membership.commands import Membership
from replica.membership.identity import Identity, mark
from replica.membership.join import Wish, join
from storage.redis.connect import open_storage
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
NOTICED_S = 1.0  # after which a Redis that does not answer is spoken of
SILENCE_S_MAX = 12.0  # of Redis while the replica stops; what was asked of it before has timed out by then
STOP_S_MAX = 25  # with the end of an embedded Redis, storage.redis.embedded.STOP_TIMEOUT_S
MakePeers = Callable[[Config, str, Store, Sequence[Application]], LivePeers]


@dataclass(frozen=True, slots=True)
class Start:
    """How a replica starts: whom it joins, if it does; whether its data is a copy, as the operator says."""

    wish: Wish
    restored: bool = False


class Replica:
    """OpenStorage and not yet serving after construction; raises Refusal, with nothing left open, where that cannot be.

    `left` is called when it has retired, and may be stopped for good.
    """

    def __init__(
        self,
        settings: Config,
        label: str,
        applications: Sequence[Application],
        make_peers: MakePeers,
        console: Console,
        left: Callable[[], object],
        start: Start,
    ) -> None:
        self.label = label
        self._settings = settings
        self._applications = applications
        self._console = console
        self._clock = chosen_clock()
        self._is_settled = False
        tags = tuple(application.tag for application in applications)
        with contextlib.ExitStack() as undo:
            self._opened = open_storage(settings.redis_of(label), settings.data, label, self._settle_again)
            undo.callback(self._opened.close, clean=False)
            self._identity = Identity(self._opened, settings, label, self._clock, self._say)
            self.store = self._store(self._opened.client)
            self.joined_through: str | None = None
            if label not in settings.founders:
                joining = self._opened, self.store, settings, label, start.wish, tags, self._clock
                self.joined_through = join(*joining)
            warning = self._identity.settle(self.store, restored=start.restored)
            self._is_settled = True
            self.warnings = [*self._opened.warnings, *([warning] if warning else [])]
            self._peers = make_peers(settings, label, self.store, applications)
            self._membership = Membership(self._identity, self.store, self._peers, tags, self._say, left)
            self._truncating = Truncating(settings.log, self.store, self._clock)
            counters = Counters()

            def hear(transaction: Transaction) -> None:
                counters.note(transaction)
                console.show(transaction)

            self._tail = Tail(self.store, self._opened, Describer(applications), label, hear)
            service = ReplicaService(settings, self.store, self._peers, self._clock, lambda: self._tail.follow(None))
            operator_hash = new_operator_token(settings.data / label) if settings.auth == "tokens" else None
            running = service, self.store, self._peers, self._tail
            parts = Parts(label, settings, *running, applications, self._membership, operator_hash)
            self._web = WebServer(create_app(parts, counters), settings.replica(label).rest)
            undo.pop_all()

    def start(self) -> None:
        """Begin to serve; returns at once. Raises Refusal, with everything closed, where that cannot be."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._tail.start()
            self._peers.start(self._membership)
            self._membership.start()
            self._truncating.start()
            self._web.start()
            undo.pop_all()

    def stop(self) -> None:
        """Stop in order: streams, sessions, requests, storage. What is being answered is answered.

        A Redis that does not answer is waited for as long as one that is only slow may need, and then stopped without
        a mark; that takes STOP_S_MAX in all."""
        deadline = time.monotonic() + SILENCE_S_MAX
        if self._opened.is_silent(NOTICED_S):
            self._say(
                f"Redis does not answer. It is waited for, {STOP_S_MAX} s at the most; nothing acknowledged is lost."
            )
        with contextlib.ExitStack() as steps:  # called in the reverse order, each whatever became of the others
            steps.callback(self._close_storage, deadline)
            steps.callback(self._web.stop)
            steps.callback(self._membership.stop)
            steps.callback(self._peers.stop)  # before the web server: requests may be waiting for a session
            steps.callback(self._truncating.stop)
            steps.callback(self._tail.stop)

    def state(self) -> State:
        return self.store.state()

    def _store(self, client: Redis) -> Store:
        return Store(
            client,
            self.label,
            self._applications,
            commit_mode=self._settings.commit,
            ids=self._identity,
            emptied=self._settle_emptied,
        )

    def _settle_again(self, client: Redis) -> None:
        """Redis was restarted or replaced: nobody else can reach it until this has looked at what it holds."""
        if not self._is_settled:
            raise Away("storage_away", "Redis was restarted while the replica was starting")
        self._say(self._identity.settle(self._store(client)) or "Redis was restarted, and holds everything.")

    def _settle_emptied(self) -> None:
        """The namespace was emptied while Redis ran on. Any thread may have found out, so another one sees to it."""

        def settle() -> None:
            with contextlib.suppress(RedisError):  # found out again, then
                if text := self._identity.settle(self.store):
                    self._say(text)

        threading.Thread(target=settle, name="emptied", daemon=True).start()

    def _say(self, text: str) -> None:
        self._console.say(self._console.warning(text), self._clock())

    def _close_storage(self, deadline: float) -> None:
        try:
            if self._opened.is_silent(max(deadline - time.monotonic(), NOTICED_S)):
                raise Away("storage_away", "Redis does not answer")
            text = mark(self.store)
        except (RedisError, Refusal) as error:
            LOGGER.warning("stopping without a mark: %s", error)
            self._opened.close(clean=False)
        else:
            self._opened.close(clean=True, mark=text)
