"""Asking one replica by REST. It turns every way of failing into a Problem, and knows no command and no screen.

A write carries a request id that the client made, so that asking again after a lost answer makes nothing twice.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

import requests
import urllib3

from cli.client_session import AHEAD, Session
from cli.problems import Problem, Refused, Unreachable
from cli.replica_addresses import Place

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0
STREAM_TIMEOUT_S = 60.0  # a stream that is silent for longer (no comment either) counts as lost
FILE_TIMEOUT_S = 120.0  # a replica may take long over a large file
CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20
TRIES_MAX = 3
RETRY_WAIT_S = 0.3

LOGIN = " `login` keeps a token; so does the variable BAYOU_TOKEN."
HINTS = {"session_ahead": AHEAD, "token_missing": LOGIN, "token_wrong": LOGIN}

Json = dict[str, Any]
Query = dict[str, str | int | None]


def new_request() -> str:
    """A request id that no other request has."""
    return secrets.token_hex(8)


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


class Sink(Protocol):
    """What a download is written to."""

    def write(self, data: bytes, /) -> int: ...


class Replica:
    """One replica, asked for one user. `note` takes sentences for the person who waits. Not for several threads.

    With a `session`, every request is a part of it; without one the replica answers with what it has.
    """

    def __init__(
        self,
        place: Place,
        user: str,
        note: Callable[[str], None],
        read_timeout_s: float = READ_TIMEOUT_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self.session: Session | None = None
        self._user = user
        self._note = note
        self._read_timeout_s = read_timeout_s
        self._pause = pause
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor .netrc belongs between a user and a replica
        self._session.headers.update({"Bayou-User": user, "Accept": "application/json"})

    def another(self) -> Replica:
        """A connection of its own to the same replica, outside of the session."""
        replica = Replica(self.place, self._user, self._note, self._read_timeout_s, self._pause)
        replica._session.headers.update(self._session.headers)
        return replica

    def bear(self, token: str) -> None:
        """Say with this token who asks, from now on."""
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, query: Query | None = None, timeout_s: float | None = None) -> Json:
        return self._answer(self._send("GET", path, None, query or {}, timeout_s))

    def get_all(self, path: str, name: str) -> list[Json]:
        """Every item of a list that comes in pages; `name` is its member in the answers."""
        answer = self.get(path)
        found = list(answer.get(name, []))
        while answer.get("next"):
            answer = self.get(path, {"after": str(answer["next"])})
            found += answer[name]
        return found

    def act(self, method: str, path: str, body: Json | None = None) -> Json:
        """An operator's action, sent once."""
        return self._answer(self._send(method, path, body, {}, None))

    def write(
        self, method: str, path: str, request: str, body: Json | None = None, query: Query | None = None
    ) -> tuple[int, Json]:
        """A write under a request id: (HTTP status, answer). Where the answer is lost, it is asked again, boundedly."""
        query = dict(query or {})
        if body is None:
            query["request"] = request
        else:
            body = {**body, "request": request}
        sent = False
        for attempt in range(1, TRIES_MAX + 1):
            try:
                response = self._send(method, path, body, query, None)
                return response.status_code, self._answer(response)
            except Unreachable as problem:
                sent = sent or bool(problem.details.get("sent"))
                if not sent:
                    raise
                problem.details["request"] = request
                if attempt == TRIES_MAX:
                    raise Unreachable(
                        "no_answer",
                        f"{problem.message} It may have been taken all the same; "
                        f"the same command with --request {request} finds out, and makes nothing twice.",
                        **problem.details,
                    ) from problem
                self._note(
                    f"{self.place.label} did not answer; asking again with the same request id {request} "
                    f"({attempt + 1} of {TRIES_MAX})"
                )
                self._pause(RETRY_WAIT_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    def download(self, path: str, query: Query, file: Sink) -> int:
        """What a resource answers, into a file; how many bytes."""
        asked = {name: value for name, value in query.items() if value is not None}
        try:
            with self._session.get(
                self.place.url + path, params=asked, stream=True, timeout=(CONNECT_TIMEOUT_S, FILE_TIMEOUT_S)
            ) as response:
                if not response.ok:
                    self._answer(response)
                return sum(file.write(chunk) for chunk in response.iter_content(CHUNK_BYTES))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._unreachable(error) from error

    def upload(self, path: str, file: BinaryIO) -> Json:
        """A resource's answer to a file."""
        headers = {"Content-Type": "application/octet-stream"}
        try:
            response = self._session.post(
                self.place.url + path, data=file, headers=headers, timeout=(CONNECT_TIMEOUT_S, FILE_TIMEOUT_S)
            )
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        return self._answer(response)

    def stream(self, path: str, last_id: str | None) -> Iterator[str]:
        """The lines of an event stream; a first empty line says that it is open. Ends or raises when it is lost."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"} | (
            {"Last-Event-ID": last_id} if last_id else {}
        )
        try:
            with self._session.get(
                self.place.url + path, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT_S, STREAM_TIMEOUT_S)
            ) as response:
                if response.status_code != 200:
                    self._answer(response)
                yield ""
                yield from _lines(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _send(
        self, method: str, path: str, body: Json | None, query: Query, timeout_s: float | None
    ) -> requests.Response:
        # What concerns the replica itself, and which rooms there are, is no reading of data.
        session = self.session if path != "/rooms" and not path.startswith("/replica") else None
        wait_s = session.wait_s if session else 0
        try:
            response = self._session.request(
                method,
                self.place.url + path,
                params={name: value for name, value in query.items() if value is not None},
                json=body,
                headers=session.headers(committed=query.get("view") == "committed") if session else {},
                timeout=(
                    min(CONNECT_TIMEOUT_S, timeout_s or CONNECT_TIMEOUT_S),
                    (timeout_s or self._read_timeout_s) + wait_s,
                ),
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
            raise Problem("bad_address", f"{self.place.url} is no address of a replica.") from error
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if session:
            session.take(response.headers.get("Bayou-Session"))
        return response

    def _answer(self, response: requests.Response) -> Json:
        try:
            answer = response.json()
        except (ValueError, requests.RequestException):
            answer = None
        if isinstance(answer, dict) and response.ok and response.status_code < 300:
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and "code" in error:
            hint = HINTS.get(str(error["code"]), "")
            refusal = Refused(response.status_code, str(error["code"]), str(error.get("message", "")) + hint)
            refusal.details = dict(error["details"]) if isinstance(error.get("details"), dict) else {}
            raise refusal
        where = f"{self.place.label} ({self.place.address})"
        message = f"{where} does not answer like a replica: HTTP {response.status_code}."
        raise Refused(response.status_code, "not_a_replica", message)

    def _unreachable(self, error: Exception) -> Unreachable:
        """An Unreachable that says in details.sent whether the request may have arrived."""
        where = f"{self.place.label} ({self.place.address})"
        cause = str(error)
        sent = not isinstance(error, requests.exceptions.ConnectTimeout) and not any(
            sign in cause for sign in ("NewConnectionError", "NameResolutionError", "Failed to establish")
        )
        if isinstance(error, requests.Timeout):
            why = "did not answer in time"
        else:
            why = "broke the connection" if sent else "cannot be reached: nothing answers at that address"
        advice = "" if sent else " Start it, or choose another with `use REPLICA` or --replica."
        return Unreachable("replica_unreachable", f"{where} {why}.{advice}", replica=self.place.label, sent=sent)


def _lines(response: requests.Response) -> Iterator[str]:
    """Lines as soon as they arrive; a chunk may end in the middle of a line, or of a character."""
    rest = b""
    while chunk := response.raw.read1(CHUNK_BYTES):  # what has arrived, chunked or not; iter_content waits for more
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            raise requests.exceptions.ChunkedEncodingError("a line of the stream has no end")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")


def read_json(text: str) -> Json:
    """A JSON object; an empty one where it is anything else."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
