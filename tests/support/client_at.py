"""A user who works at several replicas, for tests of the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.main import main
from cluster.processes import Processes

DAY = "2030-06-03"


class ClientAt:
    """Runs `client.py vish … --replica AT` in this process. The user has a client session for each replica."""

    def __init__(
        self,
        replicas: Processes,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))  # and restored at the end
        monkeypatch.delenv("BAYOU_REPLICA", raising=False)
        self._configuration, self._folder, self._capsys = str(replicas.configuration), folder, capsys

    def __call__(self, at: str, *words: str) -> str:
        """Run a command at the replica `at`. Return what the command prints to stdout and stderr."""
        os.environ["XDG_STATE_HOME"] = str(self._folder / at)
        main(["vish", *words, "--config", self._configuration, "--replica", at])
        return "".join(self._capsys.readouterr())

    def reserve(self, at: str, room: str, hour: int, request: str) -> None:
        words = ("--at", f"{DAY}T{hour:02}:00", "--for", "1h", "--request", request)
        assert f"vish/{request}" in self(at, "reserve", "--room", room, *words)
