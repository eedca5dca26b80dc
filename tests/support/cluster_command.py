"""Runs `cluster.py` in the process of a test, which has already loaded the code. A new process would spend most of its
time on loading the code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest
from termcolor import can_colorize

from cluster.main import main

ClusterCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ClusterCommand:
    """Return a function that runs `cluster.py WORDS` in this process, in the current folder."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers of pytest stay

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        status = main(words)
        output, errors = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, output, errors)

    return run


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Force colours.

    termcolor decides only once in a process whether to show colours. So clear this decision before and after the test.
    """
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    can_colorize.cache_clear()
    yield
    can_colorize.cache_clear()
