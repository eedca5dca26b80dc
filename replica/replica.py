"""One running replica, wired together: storage, identity, peers, screens and REST, started and stopped in order.

It holds no state of its own that matters: kill it anywhere and start it again, and nothing acknowledged is lost.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence

from redis import Redis, RedisError

from bayou.application import Application
from bayou.errors import Refusal
from bayou.state import State
from replica.config import Config
from replica.console import Console
from replica.describe import Describer
from replica.identity import Settled, mark, settle
from replica.parts import Parts
from replica.peers import Peers
from replica.rest import create_app
from replica.service import ReplicaService, utc_now
from replica.tail import Tail
from replica.web_server import WebServer
from storage.connect import open_storage
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
MakePeers = Callable[[Config, str, Store, Sequence[Application]], Peers]


class Replica:
    """Opened and not yet serving after construction; raises Refusal, with nothing left open, where that cannot be."""

    def __init__(
        self,
        settings: Config,
        label: str,
        applications: Sequence[Application],
        make_peers: MakePeers,
        console: Console,
    ) -> None:
        self.label = label
        self._settings = settings
        self._applications = applications
        self._console = console
        with contextlib.ExitStack() as undo:
            self._opened = open_storage(settings.redis_of(label), settings.data, label)
            undo.callback(self._opened.close, clean=False)
            self.store = self._store(self._opened.client)
            settled = self._settle(self.store)
            self._opened.on_restart.append(self._settle_again)
            self.warnings = [*self._opened.warnings, *([settled.warning] if settled.warning else [])]
            self._peers = make_peers(settings, label, self.store, applications)
            self._tail = Tail(self.store, self._opened, Describer(applications), label, console.show)
            service = ReplicaService(settings, self.store, self._peers)
            parts = Parts(label, settings, service, self.store, self._peers, self._tail, applications)
            self._web = WebServer(create_app(parts), settings.replica(label).rest)
            undo.pop_all()

    def start(self) -> None:
        """Begin to serve; returns at once. Raises Refusal, with everything closed, where that cannot be."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._tail.start()
            self._peers.start()
            self._web.start()
            undo.pop_all()

    def stop(self) -> None:
        """Stop in order: streams, sessions, requests, storage. What is being answered is answered."""
        with contextlib.ExitStack() as steps:  # called in the reverse order, each whatever became of the others
            steps.callback(self._close_storage)
            steps.callback(self._web.stop)
            steps.callback(self._peers.stop)  # before the web server: requests may be waiting for a session
            steps.callback(self._tail.stop)

    def state(self) -> State:
        return self.store.state()

    def _store(self, client: Redis) -> Store:
        return Store(client, self.label, self._applications, commit_mode=self._settings.commit)

    def _settle(self, store: Store) -> Settled:
        return settle(self._opened, store, self._settings, self.label, utc_now())

    def _settle_again(self, client: Redis) -> None:
        """Redis was restarted or replaced: nobody else can reach it until this has looked at what it holds."""
        settled = self._settle(self._store(client))
        text = settled.warning or "Redis was restarted, and holds everything."
        self._console.say(self._console.warning(text), utc_now())

    def _close_storage(self) -> None:
        try:
            text = mark(self.store)
        except (RedisError, Refusal) as error:
            LOGGER.warning("stopping without a mark: %s", error)
            self._opened.close(clean=False)
        else:
            self._opened.close(clean=True, mark=text)
