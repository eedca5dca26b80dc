"""Which requests are short: they wait for nothing but Redis, so they share the web server's thread (storage/tasks.py).

A request that may wait for something else, for a peer or for what its session has seen, gets a thread of its own. So do
all while Redis is away, for to connect to it holds up a thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

from bayou.operation import Operation
from replica.guarantees import WAIT_HEADER

AWAY_S = 5.0  # for which Redis is taken to be away once it was

_WAIT = WAIT_HEADER.upper().replace("-", "_")


class Short:
    """Says so of a request, by what its operation says of itself."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        forms = [f"{operation.method} {operation.path}" for operation in operations if operation.is_short]
        self._forms = re.compile("|".join(re.sub(r"{\w+}", "[^/]+", form) for form in forms) or "(?!)")
        self._away_until = 0.0

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """`headers` by their names in capitals, with _ for -."""
        may_wait = _WAIT in headers or time.monotonic() < self._away_until
        return not may_wait and self._forms.fullmatch(f"{method} {path}") is not None

    def note_away(self) -> None:
        """Redis could not serve a request."""
        self._away_until = time.monotonic() + AWAY_S
