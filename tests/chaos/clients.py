"""The clients of a chaos run: each sends the same request again, to the same or another replica, until it is answered.

Every second client has a client session with all guarantees, and sends its session token to every replica.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from bayou.session_token import Token
from cluster.local import ROOMS
from tests.chaos.books import Acknowledged, Books
from tests.chaos.replicas import Replicas

FIRST = datetime(2027, 3, 1, tzinfo=UTC)
DAYS = 56  # length of the calendar that the audit reads, at most 62
SLOT_MIN = 15
TIMEOUT_S = 3.0
PAUSE_S_MAX = 0.5
PAUSE_S_BETWEEN = 0.2
SAME_REPLICA_SHARE = 0.4  # share of retries that go to the same replica
CANCEL_SHARE = 0.08
AWAY = {412, 429, 503}  # 412: the replica does not hold yet what the session has read or written
READ_SHARE = 0.3
WAIT_MS = "500"
BEHIND_COUNT_MAX = 60  # consecutive answers 412 before a new session starts, because the missing write may be destroyed
MERGES: tuple[Any, ...] = (
    "first_free_alternative",
    "give_up",
    {"name": "nearest_free_time", "window_min": 180},
    {"name": "another_room"},
)


class Client:
    """A user who sends requests from a thread until `stopping` is set."""

    def __init__(self, name: str, replicas: Replicas, books: Books, stopping: threading.Event, seed: str) -> None:
        self.name = name
        self._replicas = replicas
        self._books = books
        self._stopping = stopping
        self._chance = random.Random(f"{seed}/{name}")
        self._number = 0
        self._session: str | None = "" if int(name.rpartition("-")[2]) % 2 else None
        self._sent: str | None = None  # the session token that the last request carried
        self._behind = 0
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Bayou-User"] = self.name
            while not self._stopping.wait(self._chance.uniform(0, PAUSE_S_BETWEEN)):
                self._number += 1
                self._reserve(session, f"r{self._number}")

    def _reserve(self, session: requests.Session, request: str) -> None:
        body = {
            "room": self._chance.choice(ROOMS),
            "slots": [self._slot() for _ in range(self._chance.randint(1, 3))],
            "merge": self._chance.choice(MERGES),
            "purpose": "chaos",
            "request": request,
        }
        identifier = f"{self.name}/{request}"
        answer, label = self._until_answered(session, "POST", "/reservations", body)
        if answer is None or answer.status_code not in {200, 201}:
            return
        self._books.acknowledge(self._acknowledged(answer, identifier, label))
        if self._chance.random() < READ_SHARE:
            self._read(session, identifier)
        if self._chance.random() < CANCEL_SHARE:
            self._books.cancels_asked.add(identifier)
            path = f"/reservations/{identifier}?request=c-{request}"
            answer, label = self._until_answered(session, "DELETE", path, None)
            # The answer is 404 if the reservation has not reached this replica yet; then nothing was cancelled.
            if answer is not None and answer.status_code == 200:
                self._books.cancelled[identifier] = self._acknowledged(answer, identifier, label)

    def _acknowledged(self, answer: requests.Response, identifier: str, label: str) -> Acknowledged:
        """Return the record of an acknowledged request.

        The record identifies the write if the session token has gained exactly one write.
        """
        before = Token.decode(self._sent or "").write
        written = Token.decode(answer.headers.get("Bayou-Session", "")).write
        gained = [found for found in written.items() if found not in before.items()]
        origin, stamp = gained[0] if len(gained) == 1 else (None, 0)
        return Acknowledged(identifier, label, origin, stamp)

    def _read(self, session: requests.Session, identifier: str) -> None:
        """Read a reservation, and record an error if a client with a session does not find its own write."""
        before = self._session
        answer, label = self._until_answered(session, "GET", f"/reservations/{identifier}", None)
        if before is not None and answer is not None and answer.status_code == 404 and self._session:
            self._books.note_unexpected(f"{label} served a session of {self.name} without its {identifier}")

    def _slot(self) -> dict[str, str]:
        start = FIRST + timedelta(minutes=SLOT_MIN * self._chance.randrange(DAYS * 24 * 60 // SLOT_MIN - 8))
        end = start + timedelta(minutes=SLOT_MIN * self._chance.randint(1, 4))
        return {"start": start.isoformat(), "end": end.isoformat()}

    def _until_answered(
        self, session: requests.Session, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[requests.Response | None, str]:
        """Repeat a request until the status of the answer is not 412, 429 or 503.

        Return the answer and the label of the replica that gave it. The answer is None if the run ends first.
        """
        label, pause_s = self._chance.choice(self._replicas.labels), 0.02
        while True:
            try:
                headers = self._headers()
                address = self._replicas.rest[label] + path
                answer = session.request(method, address, json=body, headers=headers, timeout=TIMEOUT_S)
            except requests.RequestException as silence:
                self._books.answer(type(silence).__name__)
            else:
                self._books.answer(str(answer.status_code))
                self._note_session(answer)
                if answer.status_code not in AWAY:
                    self._check(answer, f"{method} {path} at {label}")
                    return answer, label
            if self._stopping.wait(self._chance.uniform(0, pause_s)):
                return None, label
            pause_s = min(pause_s * 2, PAUSE_S_MAX)
            if self._chance.random() > SAME_REPLICA_SHARE:
                label = self._chance.choice(self._replicas.labels)

    def _headers(self) -> dict[str, str]:
        self._sent = self._session
        return {} if self._session is None else {"Bayou-Session": self._session, "Bayou-Wait": WAIT_MS}

    def _note_session(self, answer: requests.Response) -> None:
        if self._session is None:
            return
        self._session = answer.headers.get("Bayou-Session", self._session)
        self._behind = self._behind + 1 if answer.status_code == 412 else 0
        if self._behind > BEHIND_COUNT_MAX:
            self._session, self._behind = "", 0
            self._books.answer("session given up")

    def _check(self, answer: requests.Response, what: str) -> None:
        fine = answer.status_code in {200, 201}
        if not fine:
            try:
                code = answer.json()["error"]["code"]
            except (ValueError, KeyError, TypeError):
                code = answer.text[:200]
            fine = code in {"slot_taken", "reservation_unknown"}
            if not fine:
                self._books.note_unexpected(f"{what}: {answer.status_code} {code}")
