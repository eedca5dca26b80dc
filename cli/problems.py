"""What can go wrong for a user of the client, with the exit status that a script sees.

This module knows nothing of REST or of the screen.
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
    """The base of all problems: a code for programs, a sentence for people, details, and an exit status."""

    status = FAILED

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def as_json(self) -> dict[str, Any]:
        """The problem in the same JSON shape as an error of the server."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class Usage(Problem):
    """The command is wrong; nothing was sent."""

    status = USAGE

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__("usage", message, **details)


class Unreachable(Problem):
    """No replica answers at that address."""

    status = UNREACHABLE


class Refused(Problem):
    """The replica answered with an error of its own."""

    def __init__(self, http_status: int, code: str, message: str, details: dict[str, Any]) -> None:
        super().__init__(code, message)
        self.details = details
        self.http_status = http_status
        if code == "slot_taken":
            self.status = NOTHING_FREE
        elif http_status == 503:
            self.status = UNREACHABLE
