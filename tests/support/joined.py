"""Helpers for tests of membership: a server process that is not in the configuration, and REST requests."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import requests

from cluster.processes import SERVER, Processes
from replica.config import read_address
from storage.redis.embedded import stop_left_behind
from tests.support.forked import Forked
from tests.support.waiting import wait_until

TIMEOUT_S = 60.0
SLOT = {"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}


class Joined:
    """A process `server.py LABEL OPTIONS` that joins a running cluster. `output` has what the process printed."""

    def __init__(self, processes: Processes, label: str) -> None:
        self.label = label
        self.folder = processes.settings.data / label
        self._configuration = processes.configuration
        self._environment = processes.environment
        self._lines: list[str] = []
        self._reader: threading.Thread | None = None
        self.process: Forked | None = None

    def start(self, *options: str) -> None:
        """Start the process, and wait until it serves requests or has ended."""
        arguments = [str(SERVER), self.label, *options, "--config", str(self._configuration)]
        process = self.process = Forked(arguments, self._environment)
        reader = self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        wait_until(lambda: (process.poll() is not None and not reader.is_alive()) or self._serves())

    @property
    def identity(self) -> dict[str, Any]:
        """Return the content of the identity file."""
        found: dict[str, Any] = json.loads((self.folder / "identity.json").read_text())
        return found

    @property
    def output(self) -> str:
        """Return everything that the server has printed, in this process and in earlier processes."""
        return "".join(self._lines)

    @property
    def status(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        assert self.process is not None
        return self.process.poll()

    def wait(self) -> int:
        assert self.process is not None
        assert self._reader is not None
        status = self.process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        return status

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.wait()

    def _read(self, process: Forked) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            self._lines.extend(output)

    def _serves(self) -> bool:
        with contextlib.suppress(requests.RequestException, OSError, ValueError, KeyError):
            answer = ask(self.identity["rest"], "GET", "/replica")
            return answer.status_code == 401 or bool(answer.json()["label"] == self.label)
        return False


@contextlib.contextmanager
def joined(processes: Processes, label: str) -> Iterator[Joined]:
    """Yield a server that a test can start. At the end, kill the server and its Redis."""
    server = Joined(processes, label)
    try:
        yield server
    finally:
        if server.process is not None:
            server.kill()
        stop_left_behind(server.folder)


def ask(address: str, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    """Send one REST request. Header names are written with `_` instead of `-`, such as `Bayou_User`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, f"http://{read_address(address)}{path}", json=body, headers=sent, timeout=TIMEOUT_S)


def reserve(address: str, request: str, hour: int, **headers: str) -> requests.Response:
    """Reserve room 6.12 for the user vish, for one hour from `hour` on 1 December 2026, UTC."""
    slot = {name: f"2026-12-01T{at:02}:00:00+00:00" for name, at in (("start", hour), ("end", hour + 1))}
    body = {"room": "6.12", "slots": [slot], "purpose": "x", "merge": "give_up", "request": request}
    return ask(address, "POST", "/reservations", body, Bayou_User="vish", **headers)


def code(response: requests.Response) -> tuple[int, str]:
    """Return the HTTP status and the error code of a refusal."""
    return response.status_code, response.json()["error"]["code"]
