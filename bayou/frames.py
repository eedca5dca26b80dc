"""The frames of an anti-entropy session, as any carrier (gRPC, a simulation, a file) hands them over."""

from __future__ import annotations

from dataclasses import dataclass

from bayou.items import Selection
from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks, and what it holds; `birth` and `primary` are empty while unknown."""

    protocol: int
    cluster: str
    server: str
    label: str
    birth: str
    primary: str
    csn: int
    osn: int
    vector: Vector
    applications: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes in the sender's order. `plan` grows each time that the receiver asks for a new plan."""

    plan: int
    selection: Selection


@dataclass(frozen=True, slots=True)
class Ack:
    """The batch is stored. With `replan`, part of it did not fit: begin anew from `csn` and `vector`."""

    plan: int
    replan: bool
    csn: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class Done:
    """The sender has nothing left to send."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The sender ends the session, and says why."""

    code: str
    message: str


Frame = Hello | Batch | Ack | Done | Refuse
