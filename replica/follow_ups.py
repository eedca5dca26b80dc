"""Submits follow-ups. A replay may leave an accepted write without effect. Then the application of the write may submit
other writes, the follow-ups, which make up for the lost effect.

One thread searches the log at the start, and again whenever an outcome has changed. The outcomes are in the log. So the
thread also finds outcomes that changed while the replica was down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from redis import RedisError

from apps.api.application import Application, FollowUp
from apps.api.request import ClientSession
from apps.api.service import Service
from bayou.application import LogEntry
from bayou.errors import Forbidden, Refusal
from bayou.session_token import Token
from replica.events.expand import Transaction

LOGGER = logging.getLogger("bayou.replica")
PAUSE_S = 1.0  # between two looks; doubles while something is refused
PAUSE_S_MAX = 60.0
CHANGES = {"moved", "rejected"}


class FollowUps:
    """Submits the follow-ups of the writes that the replica `label` accepted."""

    def __init__(self, label: str, service: Service, applications: Sequence[Application]) -> None:
        self._label = label
        self._service = service
        self._applications = [one for one in applications if one.follow_up is not None]
        self._done: set[str] = set()
        self._refused: set[str] = set()
        self._wanted = threading.Event()
        self._wanted.set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow-ups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()

    def note(self, transaction: Transaction) -> None:
        """Wake the thread if the transaction has changed the outcome of a write. Returns at once."""
        if any(event.name in CHANGES for event in transaction.events):
            self._wanted.set()

    def look(self) -> bool:
        """Submit the follow-ups of each write in the log that needs them now. Returns False if a follow-up must be
        submitted again later."""
        is_done = True
        for application in self._applications:
            follow_up = application.follow_up
            assert follow_up is not None
            for tag in application.rules:
                for entry in self._service.newest_writes(tag, words=follow_up.words):
                    is_done = self._follow(follow_up, entry) and is_done
        return is_done

    def _follow(self, follow_up: FollowUp, entry: LogEntry) -> bool:
        write = entry.write
        if write.id in self._done or self._service.label(write.origin) != self._label:
            return True
        try:
            for draft in follow_up.drafts(self._service, entry):
                self._service.submit(draft, ClientSession(Token()))
        except Forbidden as refusal:  # its user may do nothing any more, so nothing makes up for it
            LOGGER.warning(
                "The write %s had no effect. A follow-up write was refused, and is not sent again: %s",
                write.id,
                refusal,
            )
        except Refusal as refusal:
            if write.id not in self._refused:
                LOGGER.warning(
                    "The write %s had no effect. A follow-up write was refused, and is sent again later: %s",
                    write.id,
                    refusal,
                )
            self._refused.add(write.id)
            return False
        self._done.add(write.id)
        return True

    def _run(self) -> None:
        pause_s = PAUSE_S
        while True:
            self._wanted.wait()
            if self._stopping.is_set():
                return
            self._wanted.clear()
            try:
                is_done = self.look()
            except RedisError:
                is_done = False
            pause_s = PAUSE_S if is_done else min(pause_s * 2, PAUSE_S_MAX)
            if not is_done:
                self._wanted.set()
            self._stopping.wait(pause_s)
