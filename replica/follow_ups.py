"""Keeps what this replica has acknowledged: if a replay makes an accepted write do nothing, its application may submit
another write that does what was promised.

One thread looks at the start, and whenever an outcome has changed. It looks at the log, not at the events, so it also
finds what changed while the replica was down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from redis import RedisError

from apps.api.application import Application
from apps.api.request import ClientSession
from apps.api.service import Service
from bayou.errors import Refusal
from bayou.session_token import Token
from replica.events.expand import Transaction

LOGGER = logging.getLogger("bayou.replica")
PAUSE_S = 1.0  # between two looks
CHANGES = {"moved", "rejected"}


class FollowUps:
    """The follow-ups of the replica with this label."""

    def __init__(self, label: str, service: Service, applications: Sequence[Application]) -> None:
        self._label = label
        self._service = service
        self._applications = [one for one in applications if one.follow_up is not None]
        self._done: set[str] = set()
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
        """Note that a transaction may have changed outcomes. Returns at once."""
        if any(event.name in CHANGES for event in transaction.events):
            self._wanted.set()

    def look(self) -> None:
        """Submit the writes that follow up what is in the log now."""
        for application in self._applications:
            follow_up = application.follow_up
            assert follow_up is not None
            for entry in self._service.newest_writes(application.tag, words=follow_up.words):
                write = entry.write
                if write.id not in self._done and self._service.label(write.origin) == self._label:
                    for draft in follow_up.drafts(self._service, entry):
                        self._service.submit(draft, ClientSession(Token()))
                    self._done.add(write.id)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopping.is_set():
                return
            self._wanted.clear()
            try:
                self.look()
            except (Refusal, RedisError) as error:
                LOGGER.warning("what was acknowledged is followed up later: %s", error)
                self._wanted.set()
            self._stopping.wait(PAUSE_S)
