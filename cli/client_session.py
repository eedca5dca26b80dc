"""The user's client session. Its token says what the user has written and read so far, at any replica.

Replicas issue the token and check it; the client only stores it and sends it. The token is kept in a file, so that the
client session continues in the next command and at another replica.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """A session token and the guarantees that the user chose, such as `RYW,MR`.

    `guarantees` is None until the user chooses. Until then, a request asks for all four guarantees. Only a read of the
    committed view asks for no guarantees. With guarantees, the replica would refuse this read until the user's latest
    writes are committed.
    """

    path: Path
    token: str = ""
    guarantees: str | None = None
    wait_s: int = 0
    kept: tuple[str, str | None] = ("", None)  # the token and the guarantees as they were last read or written
    changing: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def load(cls, user: str, environment: Mapping[str, str]) -> ClientSession:
        found = cls(state_file(user, ".session.json", environment))
        found.refresh()
        return found

    def refresh(self) -> None:
        """Read the file again. Another process of this user may have changed the file."""
        with self.changing:
            found = read_json_file(self.path)
            kept = str(found.get("token", "")), found.get("guarantees")
            if kept != self.kept:
                self.kept = kept
                self.token, self.guarantees = kept

    def advance(self, token: str) -> None:
        """Store the token of an answer. Other processes of this user read the token from the file."""
        with self.changing:
            self.token = token
            self.save()

    def headers(self, *, committed: bool) -> dict[str, str]:
        """Return the HTTP headers of the client session. `committed` is true for a read of the committed view."""
        headers = {"Bayou-Session": self.token}
        guarantees = "" if self.guarantees is None and committed else self.guarantees
        if guarantees is not None:
            headers["Bayou-Guarantees"] = guarantees
        if self.wait_s:
            headers["Bayou-Wait"] = str(self.wait_s * 1000)
        return headers

    def save(self) -> None:
        """Write a changed client session to the file. If the file cannot be written, raise nothing: the client session
        then ends with this process."""
        with self.changing, contextlib.suppress(OSError):
            if self.kept != (self.token, self.guarantees):
                replace_file(self.path, json.dumps({"token": self.token, "guarantees": self.guarantees}))
                self.kept = self.token, self.guarantees
