"""HTTP requests to one replica. This module knows the form of requests, answers and errors, but no endpoint."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from replica.config import Address

TIMEOUT_S = 40.0  # a replica waits up to 30 s for a busy peer before it answers `sync`


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Its body is either the bytes `content`, or `body` as JSON. If both are None, the request has no
    body."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `body` is the parsed JSON, or bytes if the answer is not JSON. `session` is the session token, if
    the answer has one."""

    status: int
    body: Any
    session: str | None = None

    @property
    def is_refusal(self) -> bool:
        return self.status >= 400

    @property
    def code(self) -> str:
        """The error code of a refusal."""
        return self._error("code", "unreadable")

    @property
    def message(self) -> str:
        """The error message of a refusal."""
        return self._error("message", f"The answer has status {self.status} and no readable error.")

    def _error(self, part: str, otherwise: str) -> str:
        try:
            return str(self.body["error"][part])
        except (KeyError, TypeError):
            return otherwise


class Refused(Exception):
    """The replica answered with an error. `status` is the HTTP status of the answer, and `code` is the error code."""

    def __init__(self, label: str, answer: Answer) -> None:
        super().__init__(f"{label}: {answer.message} [{answer.status} {answer.code}]")
        self.status = answer.status
        self.code = answer.code


class Silent(Exception):
    """The replica did not answer."""


class Rest:
    """The REST interface of one replica. Every method may raise Refused or Silent."""

    def __init__(self, label: str, address: Address) -> None:
        self.label = label
        self._address = str(address)

    def get(self, path: str, **query: str) -> Any:
        return self._send(Request("GET", path + (f"?{urlencode(query)}" if query else "")))

    def post(self, path: str, body: dict[str, Any] | None = None, user: str | None = None) -> Any:
        return self._send(Request("POST", path, body, {"Bayou-User": user} if user else {}))

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._send(Request("PUT", path, body))

    def _send(self, request: Request) -> Any:
        try:
            answer = send(self._address, request, TIMEOUT_S)
        except OSError as reason:
            raise Silent(f"{self.label} at http://{self._address} does not answer: {reason}.") from None
        if answer.is_refusal:
            raise Refused(self.label, answer)
        return answer.body


def send(address: str, request: Request, timeout_s: float) -> Answer:
    """Send one request to HOST:PORT and return the answer. Raise OSError if no complete answer comes."""
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    content = request.content
    if content is None and request.body is not None:
        content = json.dumps(request.body).encode()
    kind = "application/json" if request.content is None else "application/octet-stream"
    try:
        connection.request(request.method, request.path, content, {"Content-Type": kind, **request.headers})
        answer = connection.getresponse()
        received = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        body = json.loads(received) if is_json else received
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()
    return Answer(answer.status, body, answer.headers.get("Bayou-Session"))
