"""The parts of a replica that its endpoints use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.api.application import Application
from bayou.seals import Signing
from replica.anti_entropy.peers import Peers
from replica.config import Config
from replica.events.feed import EventFeed
from replica.events.frame_ring import NOT_RECORDING, FrameRing
from replica.http.service import ReplicaService
from replica.membership.commands import Membership
from storage.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one running replica. `membership` is None if no replica can join or leave, as in a simulation.
    `operator_hash` is the hash of the operator's token, or None if the replica requires no tokens. `signing` is None
    without TLS."""

    label: str
    settings: Config
    service: ReplicaService
    store: Store
    peers: Peers
    feed: EventFeed
    applications: Sequence[Application]
    membership: Membership | None = None
    operator_hash: str | None = None
    signing: Signing | None = None
    frames: FrameRing = NOT_RECORDING
