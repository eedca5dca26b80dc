"""The parts that all sessions of a replica use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bayou.anti_entropy import Session
from bayou.frames import Hello
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.tls import Credentials
from replica.events.frame_ring import NOT_RECORDING, FrameRing


class MakeSession(Protocol):
    """Makes a new session. `initiator` says whether this replica starts the session. `stands` says whether the session
    should stay open. The session stays open only if the peer agrees."""

    def __call__(self, *, initiator: bool, stands: bool) -> Session: ...


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The parts that all sessions of a replica use. `on_hello` is called with each Hello frame that a peer sends.
    `pause_s` is the shortest time, in seconds, between two pushes of new writes in a standing session."""

    loop: EventLoop
    registry: SessionRegistry
    make_session: MakeSession
    on_hello: Callable[[Hello], object]
    credentials: Credentials | None = None
    pause_s: float = 0.0
    frames: FrameRing = NOT_RECORDING
