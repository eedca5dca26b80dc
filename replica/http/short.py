"""Which requests are short: they wait for nothing but Redis, so they share the web server's thread (storage/tasks.py).

A request that may wait for something else, for a peer or for what its session has seen, gets a thread of its own. So do
all once Redis was away, until one was served again: to connect to it may hold up a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flask import Request, Response

from apps.api.endpoint import Operation
from replica.http.client_session import WAIT_HEADER

AWAY = 503

_WAIT = WAIT_HEADER.upper().replace("-", "_")


class Short:
    """Says so of a request, by what its operation says of itself."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        forms = [f"{operation.method} {re.escape(operation.path)}" for operation in operations if operation.is_short]
        self._forms = re.compile("|".join(re.sub(r"\\{\w+\\}", "[^/]+", form) for form in forms) or "(?!)")
        self._is_away = False

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """`headers` by their names in capitals, with _ for -."""
        return not (self._is_away or _WAIT in headers) and self._is_one(method, path)

    def note(self, request: Request, response: Response) -> None:
        """What a request was answered tells whether Redis is there: a short one needed it."""
        if response.status_code == AWAY:
            self._is_away = True
        elif self._is_away and response.status_code in {200, 201}:
            self._is_away = not self._is_one(request.method, request.path)

    def _is_one(self, method: str, path: str) -> bool:
        return self._forms.fullmatch(f"{method} {path}") is not None
