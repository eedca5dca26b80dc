"""The clients of a chaos run. Each client repeats a request, at the same or another replica, until it gets an answer.

Two thirds of the clients have a client session with all guarantees, and send the session token to every replica. They
check the guarantees when they read (tests/chaos/client_session.py).
"""

from __future__ import annotations

import random
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from bayou.session_token import Token
from cluster.local import ROOMS
from tests.chaos.books import CANCEL, INSERT, MOVE, RESERVE, Acknowledged, Before, Books, Wanted
from tests.chaos.client_session import ClientSession, History
from tests.chaos.replicas import Replicas

FIRST = datetime(2027, 3, 1, tzinfo=UTC)
DAYS = 28  # length of the calendar that the audit reads, at most 62
SLOT_MIN = 15
TIMEOUT_S = 3.0
PAUSE_S_MAX = 0.5
PAUSE_S_BETWEEN = 0.2
SAME_REPLICA_SHARE = 0.4  # share of retries that go to the same replica
INSERT_SHARE, MOVE_SHARE, CANCEL_SHARE = 0.15, 0.15, 0.08
AWAY = {412, 429, 503}  # 412: the replica does not hold yet what the session has read or written
READ_SHARE = 0.9
RECENT_MAX = 10  # own reservations of which one is moved or cancelled
WAIT_MS = "500"
BEHIND_COUNT_MAX = 20  # answers 412 to one request before a new session starts: the missing write may be destroyed
WINDOW_MIN = 180
MERGES: tuple[Any, ...] = (
    "first_free_alternative",
    "give_up",
    {"name": "nearest_free_time", "window_min": WINDOW_MIN},
    {"name": "another_room"},
)
RELATION = {
    "relation": "ledger",
    "attributes": {"client": "text", "number": "integer"},
    "key": ["client", "number"],
    "page_by": ["client"],
}
# Answers that a client must expect. Without a session, a replica may not know the reservation yet.
REFUSALS = {"slot_taken", "reservation_unknown", "cancelled", "moved_meanwhile"}


class Client:
    """A user who sends requests from a thread until `stopping` is set."""

    def __init__(self, name: str, replicas: Replicas, books: Books, stopping: threading.Event, seed: str) -> None:
        self.name = name
        self._replicas = replicas
        self._books = books
        self._stopping = stopping
        self._chance = random.Random(f"{seed}/{name}")
        self._number = 0
        self._recent: deque[str] = deque(maxlen=RECENT_MAX)
        self._token: str | None = "" if int(name.rpartition("-")[2]) % 3 else None
        self._session = ClientSession(name, books)  # of a client without a token, it stays empty
        self._sent: str | None = None  # the session token that the last request carried
        self._asked_once = True  # whether the last request was answered at the first attempt
        self._behind = 0
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            http.headers["Bayou-User"] = self.name
            while not self._stopping.wait(self._chance.uniform(0, PAUSE_S_BETWEEN)):
                self._number += 1
                if self._chance.random() < INSERT_SHARE:
                    self._insert(http)
                else:
                    self._reserve(http)
                if self._recent and self._chance.random() < MOVE_SHARE:
                    self._move(http, self._chance.choice(self._recent))
                if self._recent and self._chance.random() < READ_SHARE:
                    self._read(http, self._chance.choice(self._recent))
                if self._token and self._books.followed and self._chance.random() < READ_SHARE:
                    self._read_what_others_knew(http)
                if self._recent and self._chance.random() < CANCEL_SHARE:
                    self._cancel(http, self._chance.choice(self._recent))

    def _insert(self, http: requests.Session) -> None:
        sql = f"INSERT INTO {RELATION['relation']} (client, number) VALUES (:user, {self._number})"
        self._write(http, "POST", "/records", INSERT, f"{self.name}/{self._number}", {"update": sql})

    def _reserve(self, http: requests.Session) -> None:
        identifier = f"{self.name}/r{self._number}"
        if self._write(http, "POST", "/reservations", RESERVE, identifier, {"purpose": "chaos"}, self._wanted()):
            self._recent.append(identifier)

    def _move(self, http: requests.Session, identifier: str) -> None:
        self._write(http, "PATCH", f"/reservations/{identifier}", MOVE, identifier, {}, self._wanted())

    def _cancel(self, http: requests.Session, identifier: str) -> None:
        self._recent.remove(identifier)
        self._write(http, "DELETE", f"/reservations/{identifier}?request=c{self._number}", CANCEL, identifier, None)

    def _write(
        self,
        http: requests.Session,
        method: str,
        path: str,
        op: str,
        identifier: str,
        body: dict[str, Any] | None,
        wanted: Wanted | None = None,
    ) -> bool:
        """Repeat a request until a replica answers. If the replica acknowledges the request, record the operation.
        Return whether the request was acknowledged."""
        if body is not None:
            body = {**body, "request": f"r{self._number}" if op == RESERVE else f"{op[0]}{self._number}"}
        if body is not None and wanted is not None:
            slots = [{"start": start.isoformat(), "end": end.isoformat()} for start, end in wanted.slots]
            body |= {"room": wanted.room, "slots": slots, "merge": wanted.merge}
        self._books.ask(identifier, op)
        before, session = self._session.before(), self._session
        answer, label = self._until_answered(http, method, path, body)
        if answer is None or session is not self._session:
            before = []
        if answer is None or answer.status_code not in {200, 201}:
            if answer is not None and answer.status_code == 404 and self._token:
                self._session.note_read(identifier, None, label)
            return False
        entry = self._acknowledged(answer, identifier, op, label, wanted)
        self._books.acknowledge(entry, before if op in {RESERVE, MOVE, CANCEL} else [])
        if self._token is not None and op != INSERT:
            self._session.note_written(entry)
        return True

    def _acknowledged(
        self, answer: requests.Response, identifier: str, op: str, label: str, wanted: Wanted | None
    ) -> Acknowledged:
        """Return the record of an acknowledged request.

        The record identifies the write only if the request added exactly one write to the session token.
        """
        before = Token.decode(self._sent or "").write
        written = Token.decode(answer.headers.get("Bayou-Session", "")).write
        gained = [found for found in written.items() if found not in before.items()]
        origin, stamp = gained[0] if len(gained) == 1 else (None, 0)
        told, shown = None, answer.json()
        if slot := shown.get("slot"):
            told = shown["room"], (datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"]))
        return Acknowledged(identifier, op, label, origin, stamp, self._asked_once, wanted, told)

    def _read(self, http: requests.Session, identifier: str) -> tuple[bool, History | None]:
        """Read the history of a reservation, and check the guarantees of the session.

        Return (is answered, history). `is answered` is False in two cases: the run ended first, or the client began a
        new session meanwhile. The history is None if the reservation is unknown.
        """
        session = self._session
        answer, label = self._until_answered(http, "GET", f"/reservations/{identifier}/history", None)
        if answer is None or session is not self._session:
            return False, None
        history = None
        if answer.status_code == 200:
            history = {event["write"]: event["csn"] for event in answer.json()["events"]}
        if self._token is not None:
            self._session.note_read(identifier, history, label)
        return True, history

    def _read_what_others_knew(self, http: requests.Session) -> None:
        """Choose a write of any client session, and an earlier write that this session knew at the time. Read the
        chosen write first, and then the earlier write. Then check the order of the two writes."""
        identifier, after = self._chance.choice(self._books.followed)
        session = self._session
        answered, history = self._read(http, identifier)
        if not answered or history is None or after not in history:
            return
        before: Before = self._chance.choice(self._books.before[after])
        answered, found = self._read(http, before.identifier)
        if answered and session is self._session:
            self._session.check_follows(after, history[after], before, found)

    def _wanted(self) -> Wanted:
        slots = tuple(self._slot() for _ in range(self._chance.randint(1, 3)))
        return Wanted(self._chance.choice(ROOMS), slots, self._chance.choice(MERGES))

    def _slot(self) -> tuple[datetime, datetime]:
        start = FIRST + timedelta(minutes=SLOT_MIN * self._chance.randrange(DAYS * 24 * 60 // SLOT_MIN - 8))
        return start, start + timedelta(minutes=SLOT_MIN * self._chance.randint(1, 4))

    def _until_answered(
        self, http: requests.Session, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[requests.Response | None, str]:
        """Repeat a request until the status of the answer is not 412, 429 or 503.

        Return the answer and the label of the replica that answered. The answer is None if the run ends first.
        """
        label, pause_s = self._chance.choice(self._replicas.labels), 0.02
        self._asked_once = True
        while True:
            try:
                headers = self._headers()
                address = self._replicas.rest[label] + path
                answer = http.request(method, address, json=body, headers=headers, timeout=TIMEOUT_S)
            except requests.RequestException as silence:
                self._books.answer(type(silence).__name__)
                self._asked_once = False
            else:
                self._books.answer(str(answer.status_code))
                self._note_token(answer)
                if answer.status_code not in AWAY:
                    self._check(answer, f"{method} {path} at {label}")
                    return answer, label
                self._asked_once = self._asked_once and answer.status_code == 412  # a 503 may come after the write
            if self._stopping.wait(self._chance.uniform(0, pause_s)):
                return None, label
            pause_s = min(pause_s * 2, PAUSE_S_MAX)
            if self._chance.random() > SAME_REPLICA_SHARE:
                label = self._chance.choice(self._replicas.labels)

    def _headers(self) -> dict[str, str]:
        self._sent = self._token
        return {} if self._token is None else {"Bayou-Session": self._token, "Bayou-Wait": WAIT_MS}

    def _note_token(self, answer: requests.Response) -> None:
        if self._token is None:
            return
        self._token = answer.headers.get("Bayou-Session", self._token)
        if answer.status_code not in AWAY:
            self._behind = 0
        self._behind += answer.status_code == 412
        if self._behind > BEHIND_COUNT_MAX:
            self._token, self._behind = "", 0
            self._session = ClientSession(self.name, self._books)
            self._books.answer("session given up")

    def _check(self, answer: requests.Response, what: str) -> None:
        fine = answer.status_code in {200, 201}
        if not fine:
            try:
                code = answer.json()["error"]["code"]
            except (ValueError, KeyError, TypeError):
                code = answer.text[:200]
            if code not in REFUSALS:
                self._books.note_unexpected(f"{what}: {answer.status_code} {code}")
