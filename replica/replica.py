"""One running replica: this module makes, starts and stops the parts of a replica.

A replica keeps no state of its own in memory. So the replica may be killed at any time, and nothing acknowledged is
lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from redis import Redis, RedisError

from apps.api.application import Application
from bayou.application import MEMBERSHIP
from bayou.errors import Away, Conflict, Refusal
from bayou.state import State
from replica.anti_entropy.scheduler import Scheduler
from replica.clock import chosen_clock
from replica.config import Config
from replica.events.console import Console
from replica.events.counters import Counters
from replica.events.describe import Describer
from replica.events.expand import Transaction
from replica.events.feed import EventFeed
from replica.events.frame_ring import FRAMES_VARIABLE, RECORDED, FrameRing
from replica.follow_ups import FollowUps
from replica.http.app import create_app
from replica.http.auth import new_operator_token
from replica.http.parts import Parts
from replica.http.rate_limit import RateLimit
from replica.http.server import WebServer
from replica.http.service import ReplicaService
from replica.log_truncation import LogTruncation, keep_of
from replica.membership.commands import Membership
from replica.membership.identity import Identity, mark
from replica.membership.join import JoinOptions, join
from replica.notifications import Notifications
from storage.redis.connect import open_storage
from storage.scripts import rules_by_tag
from storage.store import Store
from storage.watchdog import Watchdog

LOGGER = logging.getLogger("bayou.replica")
NOTICED_S = 1.0  # a Redis that is silent for so long is mentioned
SILENCE_S_MAX = 12.0  # how long a stop waits for Redis; earlier commands have timed out by then
STOP_S_MAX = 25  # the same, with the stop of an embedded Redis (storage.redis.embedded.STOP_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class StartOptions:
    """Options that say how a replica starts. `restored` says that its data is a restored copy."""

    join: JoinOptions
    restored: bool = False


class Replica:
    """One replica. The constructor opens the storage and decides the id. `start` starts the threads and the servers. If
    the constructor or `start` raises an error, the storage is closed. `left` is called when the process should end,
    because the replica has retired or has lost its data folder."""

    def __init__(
        self,
        settings: Config,
        label: str,
        applications: Sequence[Application],
        console: Console,
        left: Callable[[], object],
        options: StartOptions,
    ) -> None:
        self.label = label
        self._settings = settings
        self._applications = applications
        self._console = console
        self._clock = chosen_clock()
        self._is_resolved = False
        self.has_failed = False  # it stops because of a fault
        self._left = left
        rules = rules_by_tag(applications)
        with contextlib.ExitStack() as undo:
            self._storage = open_storage(settings.redis_of(label), settings.data, label, self._resolve_again)
            undo.callback(self._storage.close, clean=False)
            self._identity = Identity(self._storage, settings, label, self._clock, self._say)
            self.store = self._make_store(self._storage.client)
            records_always = os.environ.get(FRAMES_VARIABLE) == RECORDED
            frames = FrameRing(lambda: records_always or self.store.pace == "manual")
            self.joined_through: str | None = None
            if label not in settings.founders:
                joining = self._storage, self.store, settings, options.join, rules, self._clock, frames
                self.joined_through = join(*joining)
            warning = self._identity.resolve(self.store, restored=options.restored)
            _check_playable(label, self.store.state(), rules)
            self._note_newest_at_birth()
            self._is_resolved = True
            self.warnings = [*self._storage.warnings, *([warning] if warning else [])]
            self._peers = Scheduler(settings, label, self.store, rules, self._clock, frames)
            self._membership = Membership(self._identity, self.store, self._peers, rules, self._say, left)
            self._watchdog = Watchdog(self._storage, self.store.running, self._end_without_folder)
            self._log_truncation = LogTruncation(settings.log, self.store, self._clock)
            counters = Counters()

            def on_transaction(transaction: Transaction) -> None:
                counters.note(transaction)
                self._follow_ups.note(transaction)
                self._notifications.note(transaction)
                console.show(transaction)

            clients = self._storage.client, self._storage.blocking_client
            self._feed = EventFeed(self.store, *clients, Describer(applications), label, on_transaction)
            service = self._service = ReplicaService(
                settings, self.store, self._peers, self._clock, lambda: self._feed.follow(None)
            )
            self._follow_ups = FollowUps(label, service, applications)
            self._notifications = Notifications(
                settings.notify,
                self.store,
                self._storage.client,
                service,
                applications,
                clock=self._clock,
                count=counters.note_notification,
            )
            operator_hash = new_operator_token(settings.data / label) if settings.has_roles else None
            running = service, self.store, self._peers, self._feed
            secrets = operator_hash, self._peers.signing
            parts = Parts(label, settings, *running, applications, self._membership, *secrets, frames)
            app = create_app(parts, counters, RateLimit(settings.requests))
            self._web = WebServer(app, settings.replica(label).rest, settings.proxies_of(label))
            undo.pop_all()

    def _note_newest_at_birth(self) -> None:
        """In a new cluster, let clients use the newest version of each application from the beginning. For this, the
        first primary records that its log may have writes of these versions. The other replicas learn the versions in
        their first session."""
        state = self.store.state()
        tags = [application.tag for application in self._applications if application.older]
        if tags and state.is_primary and state.csn == 0 and state.tentative == 0:
            self.store.note_log_applications(tags)

    def start(self) -> None:
        """Start all parts of the replica. Returns at once."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._watchdog.start()
            self._feed.start()
            self._peers.start(self._membership.unary_calls(), self._membership.after_session)
            self._membership.start()
            self._log_truncation.start()
            self._follow_ups.start()
            self._notifications.start()
            self._web.start()
            undo.pop_all()

    def stop(self) -> None:
        """Stop event streams, sessions, requests and storage, in this order. The requests that have begun are answered.

        If Redis does not answer, this method waits up to SILENCE_S_MAX seconds, and then stops without recording the
        mark of a clean stop. A stop without Redis takes at most STOP_S_MAX seconds.
        """
        deadline = time.monotonic() + SILENCE_S_MAX
        if self._storage.is_silent(NOTICED_S):
            self._say(f"Redis does not answer. The replica stops within {STOP_S_MAX} s; nothing acknowledged is lost.")
        with contextlib.ExitStack() as steps:  # run in reverse order, each of them even if another one fails
            steps.callback(self._feed.join)  # after the storage, whose end interrupts a read that waits for events
            steps.callback(self._close_storage, deadline)
            steps.callback(self._watchdog.stop)
            steps.callback(self._web.stop)
            steps.callback(self._membership.stop)
            steps.callback(self._peers.stop)  # before the web server: requests may wait for a session
            steps.callback(self._log_truncation.stop)
            steps.callback(self._notifications.stop)
            steps.callback(self._follow_ups.stop)
            steps.callback(self._feed.stop)

    def warnings_of_applications(self) -> Iterator[str]:
        """Yield what the applications want the operator to know at the start. Yields nothing if Redis does not
        answer."""
        with contextlib.suppress(RedisError, Refusal):
            for application in self._applications:
                if application.warnings is not None:
                    yield from application.warnings(self._service)

    def _make_store(self, client: Redis) -> Store:
        return Store(
            client,
            self.label,
            self._applications,
            commit_mode=self._settings.commit,
            ids=self._identity,
            keep=keep_of(self._settings.log, self._clock),
            emptied=self._resolve_emptied,
        )

    def _resolve_again(self, client: Redis) -> None:
        """Decide the id again after Redis was restarted or replaced. No other client can reach Redis until this method
        returns."""
        if not self._is_resolved:
            raise Away("storage_away", "Redis was restarted while the replica was starting. Start the replica again.")
        store = self._make_store(client)
        is_whole = self.store.is_whole(store.state()) if store.server() else None
        self._say(self._identity.resolve(store, is_whole=is_whole) or "Redis was restarted; nothing is lost.")

    def _resolve_emptied(self) -> None:
        """Decide the id again after the namespace was emptied while Redis kept running. A new thread makes the
        decision, so the caller does not wait."""

        def resolve() -> None:
            with contextlib.suppress(RedisError):  # the next request finds it again
                if text := self._identity.resolve(self.store):
                    self._say(text)

        threading.Thread(target=resolve, name="emptied", daemon=True).start()

    def _end_without_folder(self) -> None:
        """Stop the replica, because its data folder was deleted or replaced. If the replica continued to acknowledge
        writes, these writes could be lost."""
        folder = self._settings.data / self.label
        self._say(
            f"The data folder {folder} was deleted or replaced while the replica ran, so the replica stops. Start the"
            " replica again. The replica then uses the data in the folder, and gets the writes that its peers hold."
        )
        self.has_failed = True
        self._left()

    def _say(self, text: str) -> None:
        self._console.say(self._console.warning(text), self._clock())

    def _close_storage(self, deadline: float) -> None:
        try:
            if not self._storage.is_folder_there():
                self._storage.kill()
                raise Away("storage_away", "the data folder is gone")
            if self._storage.is_silent(max(deadline - time.monotonic(), NOTICED_S)):
                raise Away("storage_away", "Redis does not answer")
            text = mark(self.store)
        except (RedisError, Refusal) as error:
            LOGGER.warning("stopping without a mark: %s", error)
            self._storage.close(clean=False)
        else:
            self._storage.close(clean=True, mark=text)


def _check_playable(label: str, state: State, rules: Collection[str]) -> None:
    """Raise Conflict `other_applications` if the log holds writes that this release cannot play."""
    if unplayable := sorted(set(state.log_applications) - {MEMBERSHIP, *rules}):
        raise Conflict(
            "other_applications",
            f"The log of {label} holds writes of applications that this release cannot play:"
            f" {', '.join(unplayable)}. Start a release that has these applications, such as the release that ran"
            " before.",
        )
