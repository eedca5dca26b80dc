"""Asks the servers of a script after each line what happened, for a diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cluster.diagram.layout import Step
from cluster.drivers.driver import Driver, Failed
from cluster.language.world import World
from cluster.rest import Request

BEGINNING = {"after": "0-0", "after_frame": 0}


class Recorder:
    """Records the steps of a script. The servers must record their frames.

    `writes` maps the id of each write to what the servers said about it, and `labels` the id of each server to its
    label.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._next: dict[str, Mapping[str, Any]] = {}  # label -> where to go on
        self._running: set[str] = set()
        self.steps: list[Step] = []
        self.writes: dict[str, Mapping[str, Any]] = {}
        self.labels: dict[str, str] = {}

    def note(self, number: int, line: str, world: World) -> None:
        """Record what has happened since the line before. `number` is that of the line."""
        lanes = {server.label: self._read(server.label) for server in world.running()}
        has_news = any(found["transactions"] or found["frames"] for found in lanes.values())
        if has_news or self._running != set(lanes):
            self.steps.append(Step(line.strip(), lanes, number))
        self._running = set(lanes)

    def _read(self, label: str) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {"transactions": [], "frames": []}
        after = self._next.get(label, BEGINNING)
        while True:
            answer = self._driver.send(label, Request("GET", f"/replica/diagram?{urlencode(after)}"))
            if answer.is_refusal:
                raise Failed(f"the diagram lacks what happened at {label}: {answer.message}")
            for name in found:
                found[name] += answer.body[name]
            self.writes |= answer.body["writes"]
            self._next[label] = answer.body["next"]
            if after == answer.body["next"]:
                break
            after = answer.body["next"]
        for frame in found["frames"]:
            if frame["kind"] == "hello":
                self.labels[frame["carries"]["server"]] = frame["carries"]["label"]
        return found
