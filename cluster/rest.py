"""Speaking to one replica over REST, as a program on the same machine does. It knows the shape of answers only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

from replica.config import Address

TIMEOUT_S = 10.0

# Whatever proxy the machine has: replicas on it are reached directly.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The replica answered with an error: its HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} [{status} {code}]")
        self.status = status
        self.code = code


class Silent(Exception):
    """The replica did not answer."""


class Rest:
    """The REST face of one replica. Each call raises Refused or Silent."""

    def __init__(self, label: str, address: Address) -> None:
        self.label = label
        self._base = f"http://{address}"

    def get(self, path: str, **query: str) -> Any:
        return self._send("GET", path + (f"?{urlencode(query)}" if query else ""), None, {})

    def post(self, path: str, body: dict[str, Any] | None = None, user: str | None = None) -> Any:
        return self._send("POST", path, body, {"Bayou-User": user} if user else {})

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PUT", path, body, {})

    def _send(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        asked = urllib.request.Request(
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers | {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(asked, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise self._refused(refusal) from None
        except (OSError, ValueError) as reason:
            raise Silent(f"{self.label} at {self._base} does not answer: {reason}.") from None

    def _refused(self, refusal: urllib.error.HTTPError) -> Refused:
        try:
            error = json.load(refusal)["error"]
            return Refused(refusal.code, error["code"], f"{self.label}: {error['message']}")
        except (ValueError, KeyError, TypeError):
            return Refused(refusal.code, "unreadable", f"{self.label} answered {refusal.reason}.")
