"""An application of the store: its rules in Lua, how a write is described to people, and its REST endpoints.

An application never sees Redis, gRPC or another replica.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.api.endpoint import Endpoint
from apps.api.service import Service
from bayou.application import LuaApplication
from bayou.write import Write


def describe_plainly(write: Write, outcome: str) -> dict[str, Any]:
    """The arguments of the write, and the detail of its outcome as its `result`; None if the write was not done."""
    status, _, detail = outcome.partition(" ")
    return {**write.args, "result": {"detail": detail} if status in {"updated", "merged"} else None}


@dataclass(frozen=True, slots=True)
class Application(LuaApplication):
    """What a replica needs of an application. `endpoints(service)` returns its REST endpoints. `describe(write,
    outcome)` returns what screens show of a write: any members, among them `result`, which says what the write did
    (None: nothing)."""

    endpoints: Callable[[Service], Sequence[Endpoint]]
    describe: Callable[[Write, str], dict[str, Any]] = describe_plainly
