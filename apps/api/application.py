"""An application of the store: its Lua rules, how a write is described to people, and its REST resources.

It never sees Redis, gRPC or another replica.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.api.endpoint import Operation
from apps.api.service import Service
from bayou.application import LuaApplication
from bayou.write import Write


def describe_plainly(write: Write, outcome: str) -> dict[str, Any]:
    """The arguments of the write, and the detail of its outcome as its `result`; null where it was not done."""
    status, _, detail = outcome.partition(" ")
    return {**write.args, "result": {"detail": detail} if status in {"updated", "merged"} else None}


@dataclass(frozen=True, slots=True)
class Application(LuaApplication):
    """One application: `describe(write, outcome)` is what screens show; `register(api, service)` adds its REST
    resources to a flask_restful.Api."""

    register: Callable[[Any, Service], None]
    describe: Callable[[Write, str], dict[str, Any]] = describe_plainly
    operations: tuple[Operation, ...] = ()  # how its resources are described at GET /openapi.json
