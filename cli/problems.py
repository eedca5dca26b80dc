"""The errors that the client reports to its user. Each error has an exit status.

This module does not use the REST client or the screen.
"""

from __future__ import annotations

from typing import Any

DONE = 0  # done; a tentative reservation is done too
FAILED = 1
USAGE = 2
NOTHING_FREE = 3
UNREACHABLE = 4
INTERRUPTED = 130


class Problem(Exception):
    """The base class of the client's errors. It has a code for programs, a message for people, and an exit status.

    `details` has further values for programs.
    """

    status = FAILED

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def as_json(self) -> dict[str, Any]:
        """Return the error in the JSON form that the server uses for its errors."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class Usage(Problem):
    """The user's input is wrong. The client has sent no change to a replica."""

    status = USAGE

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__("usage", message, **details)


class Unreachable(Problem):
    """No replica answers at the address."""

    status = UNREACHABLE


class Refused(Problem):
    """The replica answered the request with an error."""

    def __init__(self, http_status: int, code: str, message: str, details: dict[str, Any]) -> None:
        super().__init__(code, message)
        self.details = details
        self.http_status = http_status
        if code in {"slot_taken", "conflict"}:
            self.status = NOTHING_FREE
        elif http_status == 503:
            self.status = UNREACHABLE
