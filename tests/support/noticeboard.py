"""Replicas for tests of the notifications. A test sets the clock, and runs the notifications step by step.

The messages go to a target in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apps import APPLICATIONS
from apps.people.tokens import hash_of, new_token
from apps.rooms.settings import RoomSettings
from replica.config import Config
from replica.http.service import ReplicaService
from replica.notifications import Notifications
from replica.targets.message import Message, Target
from storage.store import Store
from tests.support.replica_harness import SETTINGS, FakePeers
from tests.support.sides_harness import Side, meet, new_stores
from tests.support.worker_redis import worker_redis

DATABASE = 11
OPERATOR = new_token("operator")
CONFIGURED = SETTINGS.model_copy(
    update={"rooms": (RoomSettings(name="6.12"), RoomSettings(name="6.13")), "timezone": "Europe/Brussels"}
)


def slot(hour: int, hours: int = 1) -> dict[str, str]:
    """Return a slot on a Tuesday, in the local time of Brussels."""
    return {"start": f"2026-12-01T{hour:02}:00+01:00", "end": f"2026-12-01T{hour + hours:02}:00+01:00"}


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Inbox:
    """A target that keeps the messages in memory."""

    name = "inbox"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def take(self) -> list[tuple[str, str]]:
        """Return the user and the first line of each message since the last call."""
        taken, self.messages = self.messages, []
        return [(message.user, message.text.partition("\n\n")[0]) for message in taken]


class Told(Side):
    """A replica with its REST interface and its notifications."""

    def __init__(
        self, store: Store, clock: Clock, settings: Config = CONFIGURED, targets: Sequence[Target] | None = None
    ) -> None:
        super().__init__(store, settings, clock, hash_of(OPERATOR) if settings.has_roles else None)
        self.tokens: dict[str, str] = {}  # of people, if they need one
        self.settings, self.clock, self.inbox = settings, clock, Inbox()
        self.targets: Sequence[Target] = targets or [self.inbox]
        self.counted: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Start the notifications again, with nothing in memory, as a new process does."""
        service = ReplicaService(self.settings, self.store, FakePeers(), self.clock)
        client = worker_redis(DATABASE)
        self.notifications = Notifications(
            self.targets, self.store, client, service, APPLICATIONS, clock=self.clock, count=self.counted.append
        )
        self.notifications.open()

    def told(self, after_s: float = 0) -> list[tuple[str, str]]:
        """Move the clock by `after_s` seconds, and send the messages that are due. Return (user, first line) of each
        message since the last call."""
        self.clock.tick(after_s)
        while self.notifications.step():
            pass
        return self.inbox.take()

    def ask(self, method: str, path: str, user: str = "vish", **body: Any) -> Any:
        token = self.tokens.get(user)
        headers = {"Authorization": f"Bearer {token}"} if token else {"Bayou-User": user}
        answer = self.client.open(path, method=method, json=body or None, headers=headers)
        assert answer.status_code in {200, 201}, answer.json
        return answer.json

    def reserve(
        self, user: str, request: str, *hours: int, length: int = 1, purpose: str = "standup", room: str = "6.12"
    ) -> Any:
        slots = [slot(hour, length) for hour in hours]
        return self.ask("POST", "/reservations", user, room=room, slots=slots, request=request, purpose=purpose)


def told_replicas(*labels: str, managers: Sequence[str] = (), users: Sequence[str] = ()) -> list[Told]:
    """Return replicas that share a clock. The first is the primary, and each other replica has met the primary once.

    The cluster has the people `managers` and `users`. If `managers` is not empty, people need tokens.
    """
    clock, stores = Clock(), new_stores(CONFIGURED, DATABASE, *labels)
    settings = CONFIGURED.model_copy(update={"auth": "tokens" if managers else "none"})
    replicas = [Told(store, clock, settings) for store in stores]
    first, *others = replicas
    tokens = {"operator": OPERATOR}
    first.tokens = tokens
    for name in (*managers, *users):
        role = "manager" if name in managers else "user"
        tokens[name] = first.ask("POST", "/people", "operator", name=name, role=role)["token"]
    for other in others:
        other.tokens = tokens
        meet(other.store, first.store)
    return replicas


__all__ = ["CONFIGURED", "DATABASE", "Clock", "Inbox", "Told", "meet", "slot", "told_replicas"]
