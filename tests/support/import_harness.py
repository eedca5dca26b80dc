"""A real replica in the process of a test. The test imports calendar files into this replica with the client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from replica.config import parse
from tests.support.sides_harness import Side, new_stores
from tests.support.web_server import served

DATABASE = 11
USER = "vish"


class Desk:
    """Imports calendar files as the user vish, and returns the reservations of vish."""

    def __init__(self, side: Side, folder: Path) -> None:
        self.side, self.folder = side, folder

    def take(self, content: bytes, *options: str, user: str = USER) -> tuple[int, dict[str, Any]]:
        """Import a file. Return the exit status, and the JSON that the client prints."""
        (self.folder / "file.ics").write_bytes(content)
        with redirect_stdout(StringIO()) as out:
            status = main([user, "import", str(self.folder / "file.ics"), "--json", *options])
        answer = json.loads(out.getvalue().splitlines()[0])
        return status, answer

    def reservations(self, user: str = USER) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: str | None = ""
        while query is not None:
            answer: Any = self.side.client.get(f"/users/{user}/reservations{query}").json
            found += answer["reservations"]
            query = f"?after={answer['next']}" if answer["next"] else None
        return found

    def booked(self) -> list[str]:
        """Return a line for each reservation with a slot: `START MINUTES ROOM PURPOSE`, in UTC."""
        found = []
        for one in self.reservations():
            if one["slot"]:
                start, end = (datetime.fromisoformat(one["slot"][name]).astimezone(UTC) for name in ("start", "end"))
                minutes = int((end - start).total_seconds()) // 60
                found.append(f"{start:%Y-%m-%dT%H:%M} {minutes} {one['room']} {one['purpose']}".rstrip())
        return sorted(found)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.side.client.open(path, method=method, json=body, headers={"Bayou-User": USER})
        assert answer.status_code < 300, answer.json
        return answer.json


@contextmanager
def desk(
    folder: Path, rooms: Sequence[Any] = ("6.12", "6.13"), zone: str = "Europe/Brussels", more: str = ""
) -> Iterator[Desk]:
    """Start a replica with these rooms. `more` has more lines for the configuration."""
    settings = parse(
        f"cluster: imports\nprimary: one\ntimezone: {zone}\n{more}"
        f"rooms: {json.dumps(list(rooms), ensure_ascii=False)}\n"
        "replicas:\n  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}\n",
        Path("config.yaml"),
    )
    (store,) = new_stores(settings, DATABASE, "one")
    side = Side(store, settings)
    with served(side.app) as address, pytest.MonkeyPatch.context() as environment:
        environment.setenv("BAYOU_REPLICA", f"http://{address}")
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        environment.chdir(folder)
        yield Desk(side, folder)
