"""The user's client session: a token that says what the user has written and read, whichever replica that was.

Replicas give the token and check it; the client only carries it. It is kept in a file, so it outlives a command and a
change of the replica.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.state import read_json_file, replace_file, state_file

GUARANTEES = {
    "RYW": "read your writes: what you have written is there when you read",
    "MR": "monotonic reads: what you have seen does not vanish",
    "WFR": "writes follow reads: what you write comes after what you have seen",
    "MW": "monotonic writes: what you write comes after what you have written",
}


@dataclass
class ClientSession:
    """A token and the guarantees that the user chose, such as `RYW,MR`.

    `guarantees` is None until the user chooses. Then a request asks for all four, and for none in the committed view,
    which lags behind what one has just written.
    """

    path: Path
    token: str = ""
    guarantees: str | None = None
    wait_s: int = 0

    @classmethod
    def load(cls, user: str, environment: Mapping[str, str]) -> ClientSession:
        path = state_file(user, ".session.json", environment)
        kept = read_json_file(path)
        return cls(path, str(kept.get("token", "")), kept.get("guarantees"))

    def headers(self, *, committed: bool) -> dict[str, str]:
        """The headers of a request. `committed` says that it asks for the committed view."""
        headers = {"Bayou-Session": self.token}
        guarantees = "" if self.guarantees is None and committed else self.guarantees
        if guarantees is not None:
            headers["Bayou-Guarantees"] = guarantees
        if self.wait_s:
            headers["Bayou-Wait"] = str(self.wait_s * 1000)
        return headers

    def save(self) -> None:
        """Write the file. If that is not possible, the client session ends with this process."""
        with contextlib.suppress(OSError):
            replace_file(self.path, json.dumps({"token": self.token, "guarantees": self.guarantees}))
