"""Sends requests to the REST interface of one replica. Every failure is raised as a Problem.

The client gives each write a request id. If the answer is lost, the client can send the write again, because a replica
carries out writes with the same request id only once.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote

import requests
import urllib3

from cli.client_session import ClientSession
from cli.problems import Problem, Refused, Unreachable
from cli.replica_addresses import ReplicaAddress

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0
STREAM_TIMEOUT_S = 60.0  # a stream sends comments more often than this, so one that is silent for longer is lost
AUTHORITIES = "REQUESTS_CA_BUNDLE"  # names a file of the certificate authorities to trust, for HTTPS
FILE_TIMEOUT_S = 120.0  # a replica may take long over a large file
CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20
TRIES_MAX = 3
RETRY_WAIT_S = 0.3
TURNS_MAX, TURN_S_MAX = 5, 10  # how often a request is sent while it is refused as one too many; the longest wait

_LOGIN = " Run `login` and enter your token, or set the variable BAYOU_TOKEN to your token."
HINTS = {
    "session_ahead": " Add --wait 10 to wait, choose another replica with `use`, or forget what you have seen "
    "with `session reset`.",
    "token_missing": _LOGIN,
    "token_wrong": _LOGIN,
}

Json = dict[str, Any]
Query = dict[str, str | int | None]  # a parameter that is None is not sent


def new_request() -> str:
    """Return a new random request id."""
    return secrets.token_hex(8)


def segment(name: str) -> str:
    """Quote a name as one segment of a URL path."""
    return quote(name, safe="")


class Replica:
    """A connection to one replica for one user. Only one thread at a time may use the connection.

    `note` shows a message to the user.

    If `client_session` is set, requests for data carry the token and the guarantees of the client session. If
    `client_session` is None, the replica answers from the data that it has.
    """

    def __init__(
        self, address: ReplicaAddress, user: str, note: Callable[[str], None], read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        self.address = address
        self.client_session: ClientSession | None = None
        self._note = note
        self._read_timeout_s = read_timeout_s
        self._http = requests.Session()
        self._http.trust_env = False  # neither a proxy nor .netrc belongs between a user and a replica
        self._http.verify = os.environ.get(AUTHORITIES) or True
        self._http.headers.update({"Bayou-User": user, "Accept": "application/json"})

    def set_token(self, token: str) -> None:
        """Send the user's token with every request from now on. This token is not the token of the client session."""
        self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None, timeout_s: float | None = None) -> Json:
        return self._answer(self._send("GET", path, None, query or {}, timeout_s))

    def get_all(self, path: str, name: str, query: Query | None = None) -> Json:
        """Return the answer to a GET request. If the replica sends the list `name` in several parts, the answer has all
        parts."""
        answer = part = self.get(path, query)
        while part.get("next"):
            part = self.get(path, {**(query or {}), "after": str(part["next"])})
            answer[name] += part[name]
        return answer

    def act(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send an operator's action and return the answer. If the answer is lost, do not send the action again."""
        return self._answer(self._send(method, path, body, {}))

    def write(
        self, method: str, path: str, request: str, body: Json | None = None, query: Query | None = None
    ) -> tuple[int, Json]:
        """Send a write and return (HTTP status, answer).

        If the answer is lost, send the write again, up to TRIES_MAX times in all.
        """
        query = dict(query or {})
        if body is None:
            query["request"] = request
        else:
            body = {**body, "request": request}
        sent = False
        for attempt in range(1, TRIES_MAX + 1):
            try:
                response = self._send(method, path, body, query)
                return response.status_code, self._answer(response)
            except Unreachable as problem:
                sent = sent or bool(problem.details.get("sent"))
                if not sent:
                    raise
                problem.details["request"] = request
                if attempt == TRIES_MAX:
                    raise Unreachable(
                        "no_answer",
                        f"{problem.message} The replica may have received the request. To find out, "
                        f"repeat the command with --request {request}. The request takes effect only once.",
                        **problem.details,
                    ) from problem
                self._note(
                    f"{self.address.label} did not answer; sending the same request {request} again "
                    f"({attempt + 1} of {TRIES_MAX})"
                )
                time.sleep(RETRY_WAIT_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    def download(self, path: str, query: Query, write: Callable[[bytes], int]) -> int:
        """Send a GET request, and pass the body of the answer to `write` in chunks. Return the number of bytes."""
        with self._opened(path, query, {}, FILE_TIMEOUT_S) as response:
            return sum(write(chunk) for chunk in response.iter_content(CHUNK_BYTES))

    def upload(self, path: str, file: BinaryIO) -> Json:
        url, timeout = self.address.url + path, (CONNECT_TIMEOUT_S, FILE_TIMEOUT_S)
        with self._errors_as_problems():
            response = self._http.post(
                url, data=file, headers={"Content-Type": "application/octet-stream"}, timeout=timeout
            )
        return self._answer(response)

    def stream(self, path: str, last_id: str | None) -> Iterator[str]:
        """Yield the lines of an event stream. The first line is empty; it says that the client is connected.

        If the connection is lost, the iteration ends or raises Unreachable.
        """
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        with self._opened(path, {}, headers, STREAM_TIMEOUT_S) as response:
            yield ""
            yield from _lines(response)

    @contextmanager
    def _errors_as_problems(self) -> Iterator[None]:
        """Raise each error of the HTTP library in the `with` block as a Problem."""
        try:
            yield
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
            message = f"{self.address.url} is not a valid address. Write HOST:PORT or a URL."
            raise Problem("bad_address", message) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._unreachable(error) from error

    @contextmanager
    def _opened(
        self, path: str, query: Query, headers: dict[str, str], timeout_s: float
    ) -> Iterator[requests.Response]:
        """Send a GET request and yield the response. The caller reads the body of the response in pieces. Raise Problem
        if the replica answers with an error."""
        url, timeout = self.address.url + path, (CONNECT_TIMEOUT_S, timeout_s)
        with (
            self._errors_as_problems(),
            self._http.get(url, params=query, headers=headers, stream=True, timeout=timeout) as response,
        ):
            if not response.ok:
                self._answer(response)
            yield response

    def _send(
        self, method: str, path: str, body: Json | None, query: Query, timeout_s: float | None = None
    ) -> requests.Response:
        # What concerns the replica itself, and the list of rooms, is not data of the client session.
        session = self.client_session if path != "/rooms" and not path.startswith("/replica") else None
        if session:
            session.refresh()
        response = self._send_once(method, path, body, query, session, timeout_s)
        if session and session.token and _error_of(response).get("code") == "session_foreign":
            session.token = ""
            self._note(
                f"{self.address.label} belongs to another cluster than your session, or its cluster was started over;"
                " a new session begins"
            )
            response = self._send_once(method, path, body, query, session, timeout_s)
        if session:
            session.advance(response.headers.get("Bayou-Session", session.token))
        return response

    def _send_once(
        self,
        method: str,
        path: str,
        body: Json | None,
        query: Query,
        session: ClientSession | None,
        timeout_s: float | None,
    ) -> requests.Response:
        timeout_s = timeout_s or self._read_timeout_s
        for _ in range(TURNS_MAX):
            with self._errors_as_problems():
                response = self._http.request(
                    method,
                    self.address.url + path,
                    params=query,
                    json=body,
                    headers=session.headers(committed=query.get("view") == "committed") if session else {},
                    timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s + (session.wait_s if session else 0)),
                    allow_redirects=False,
                )
            if _error_of(response).get("code") != "too_many_requests":
                break
            wait_s = min(int(response.headers.get("Retry-After", 1)), TURN_S_MAX)
            self._note(f"{self.address.label} gets too many requests from here; trying again in {wait_s} s")
            time.sleep(wait_s)
        return response

    def _answer(self, response: requests.Response) -> Json:
        answer = _json_of(response)
        if isinstance(answer, dict) and response.ok and response.status_code < 300:
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and "code" in error:
            code = str(error["code"])
            details = error["details"] if isinstance(error.get("details"), dict) else {}
            raise Refused(response.status_code, code, str(error.get("message", "")) + HINTS.get(code, ""), details)
        raise Refused(
            response.status_code,
            "not_a_replica",
            f"{self._name} answered HTTP {response.status_code}, but not as a replica does. Check the address.",
            {},
        )

    @property
    def _name(self) -> str:
        return f"{self.address.label} ({self.address.short_url})"

    def _unreachable(self, error: Exception) -> Unreachable:
        """Return an Unreachable error. The detail `sent` is true if the replica may have received the request."""
        cause = str(error)
        if found := re.search("certificate verify failed: ([^('\"]+)", cause):
            return Unreachable(
                "replica_unreachable",
                f"The certificate of {self._name} is not trusted: {found[1].strip()}. If your organisation has its own"
                f" certificate authority, set the environment variable {AUTHORITIES} to the file with the"
                " certificate of this authority.",
                replica=self.address.label,
                sent=False,
            )
        sent = not isinstance(error, requests.exceptions.ConnectTimeout) and not any(
            sign in cause for sign in ("NewConnectionError", "NameResolutionError", "Failed to establish")
        )
        if isinstance(error, requests.Timeout):
            why = "did not answer in time"
        else:
            why = "broke the connection" if sent else "cannot be reached: nothing answers at that address"
        advice = "" if sent else " Start the replica, or choose another replica with --replica or `use REPLICA`."
        return Unreachable("replica_unreachable", f"{self._name} {why}.{advice}", replica=self.address.label, sent=sent)


def _json_of(response: requests.Response) -> Any:
    """Return the JSON value in the body of an answer. Return None if the body is not JSON."""
    try:
        return response.json()
    except (ValueError, requests.RequestException):
        return None


def _error_of(response: requests.Response) -> Json:
    """Return the error in an answer. Return an empty object if the answer has no error."""
    answer = None if response.ok else _json_of(response)
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def _lines(response: requests.Response) -> Iterator[str]:
    """Yield the lines of a response as they arrive. A chunk may end inside a line or inside a character."""
    rest = b""
    while chunk := response.raw.read1(CHUNK_BYTES):  # iter_content would wait for a full chunk
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            raise requests.exceptions.ChunkedEncodingError(f"a line is longer than {LINE_BYTES_MAX} bytes")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
