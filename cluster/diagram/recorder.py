"""Records the events of a script for a diagram. After each line, the recorder reads the new events from every running
server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cluster.drivers.driver import Driver, Failed
from cluster.language.world import World
from cluster.rest import Request

BEGINNING = {"after": "0-0", "after_frame": 0}

Lane = Mapping[str, list[dict[str, Any]]]  # `transactions` and `frames`, in the form of `GET /replica/diagram`


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script, with the transactions and frames of each running server. `lanes` maps the name of each
    server to the lane of this server."""

    title: str
    lanes: Mapping[str, Lane]


class Recorder:
    """Records the steps of a script. The steps have frames only if the servers record their frames (see the
    parameter `records_frames` of the drivers).

    `writes` maps the id of each write to its description in `GET /replica/diagram`. `labels` maps the id of each server
    to the server's name in the diagram. This is usually the name in the script. If an earlier server had the same name,
    the diagram shows the server's label instead.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._next: dict[str, Mapping[str, Any]] = {}  # label -> where to go on
        self._names: dict[str, str] = {}  # label -> name
        self._running: set[str] = set()
        self.steps: list[Step] = []
        self.writes: dict[str, Mapping[str, Any]] = {}
        self.labels: dict[str, str] = {}

    def note(self, number: int, line: str, world: World) -> None:
        """Record the events since the last call. `line` is the line of the script that has just run, and `number` is
        the number of this line."""
        for identifier, label in world.labels.items():
            self._names.setdefault(label, label if identifier in self._names.values() else identifier)
        lanes = {self._names[server.label]: self._read(server.label) for server in world.running()}
        has_news = any(found["transactions"] or found["frames"] for found in lanes.values())
        if has_news or self._running != set(lanes):
            self.steps.append(Step(f"{number} {line.strip()}", lanes))
        self._running = set(lanes)

    def _read(self, label: str) -> Lane:
        found: Lane = {"transactions": [], "frames": []}
        after = self._next.get(label, BEGINNING)
        while True:
            answer = self._driver.send(label, Request("GET", f"/replica/diagram?{urlencode(after)}"))
            if answer.is_refusal:
                raise Failed(f"the diagram lacks what happened at {label}: {answer.message}")
            for name, records in found.items():
                records += [{**one, "peer": self._names.get(one["peer"], one["peer"])} for one in answer.body[name]]
            self.writes |= answer.body["writes"]
            self._next[label] = answer.body["next"]
            if after == answer.body["next"]:
                break
            after = answer.body["next"]
        for frame in found["frames"]:
            if frame["kind"] == "hello":
                carried = frame["carries"]
                self.labels[carried["server"]] = self._names.get(carried["label"], carried["label"])
        return found
