"""The frames of an anti-entropy session, as any carrier (gRPC, a simulation, a file) hands them over."""

from __future__ import annotations

from dataclasses import dataclass

from bayou.payloads import ListPart, Selection, StateEnd, StatePages
from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks, and what it holds; the members are those of bayou.state.State. `asks_for_tokens`: of its clients;
    None where that is not said."""

    protocol: int
    cluster: str
    server: str
    label: str
    birth: str
    met: bool
    history: str
    csn: int
    vector: Vector
    retired_servers: tuple[str, ...]
    retired: bool
    applications: tuple[str, ...]
    asks_for_tokens: bool | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes in the sender's order. `plan` grows each time that the receiver asks for a new plan."""

    plan: int
    selection: Selection


@dataclass(frozen=True, slots=True)
class StateChunk:
    """A part of the sender's full state. `number` counts the parts of a plan from 0. `first` begins a new staging at
    the receiver, also in the middle of a plan, where the sender itself has taken another state."""

    plan: int
    number: int
    first: bool
    pages: StatePages
    lists: tuple[ListPart, ...]


@dataclass(frozen=True, slots=True)
class StateFinish:
    """All parts, so many, are sent: switch to the state. The receiver answers with an Ack that asks for a new plan."""

    plan: int
    number: int
    end: StateEnd


@dataclass(frozen=True, slots=True)
class Ack:
    """The frame is stored. With `replan`: begin anew, from this csn, vector and retired servers of the receiver."""

    plan: int
    replan: bool
    csn: int
    vector: Vector
    retired_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The sender has nothing left to send."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The sender ends the session, and says why. `code` is a RefusalCode, or one that only a later release knows."""

    code: str
    message: str


Frame = Hello | Batch | StateChunk | StateFinish | Ack | Done | Refuse
