"""Decides how many bytes a session may send before the peer acknowledges them: the window.

A long link needs a large window, or it stands empty while this side waits for acknowledgements. Over a slow link, a
large window is a long queue: everything that is sent later waits in it, even the pings that test the connection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

BYTES_FIRST = 4 * 1024 * 1024  # more than a receiver stores in a round trip of 0.2 s
BYTES_MIN, BYTES_MAX = 128 * 1024, 8 * 1024 * 1024
QUEUE_S_MAX = 1.0  # how long a frame may wait for the frames before it, in the link and at the receiver
PEERS_MAX = 1000  # whose windows a replica remembers


@dataclass(slots=True)
class PeerMemory:
    """What the sessions of a replica remember about its peers. The keys are the server ids of the peers.

    offered       the peers to which a session offered a full state and then broke; they get the log until they have
                  caught up
    window_bytes  the last window for a peer; only of peers whose window is smaller than BYTES_FIRST
    """

    offered: set[str] = field(default_factory=set)
    window_bytes: dict[str, int] = field(default_factory=dict)


class Window:
    """The window of one side of a session. `now_s` is a clock in seconds that never falls back."""

    def __init__(self, memory: PeerMemory, now_s: Callable[[], float]) -> None:
        self.bytes = BYTES_FIRST
        self._memory = memory.window_bytes
        self.now_s = now_s
        self._peer = ""
        self._asked_s = -math.inf  # when this side sent its hello, until the peer has answered
        self._round_trip_s = math.inf  # the shortest time from a frame to its answer

    def ask(self) -> None:
        """Record that this side sends its hello now."""
        self._asked_s = self.now_s()

    def begin(self, peer: str) -> None:
        """Begin with the last window for the peer with this server id."""
        self._peer = peer
        self.bytes = self._memory.get(peer, BYTES_FIRST)

    def take_answer(self) -> None:
        """Record that the peer has answered. The first answer to the hello shows the round trip, because no queue
        delayed it."""
        self._round_trip_s = min(self._round_trip_s, self.now_s() - self._asked_s)
        self._asked_s = -math.inf

    def adapt(self, size_bytes: int, sent_s: float, all_bytes: int) -> None:
        """Adapt the window to the acknowledgement of a frame. `sent_s` is the time when this side made the frame, and
        `all_bytes` is what was in flight then, with the frame.

        What took longer than a round trip was waiting. Up to QUEUE_S_MAX, the window grows by the size of the frame, if
        at least half of the window was in use. Beyond, the window becomes what the link carries in a round trip and
        QUEUE_S_MAX. A small frame alone says nothing about the link.
        """
        delay_s = self.now_s() - sent_s
        self._round_trip_s = min(self._round_trip_s, delay_s)
        delay_s_max = self._round_trip_s + QUEUE_S_MAX
        if delay_s > delay_s_max and all_bytes > BYTES_MIN:
            self.bytes = max(int(all_bytes * delay_s_max / delay_s), BYTES_MIN)
        elif delay_s <= delay_s_max and 2 * all_bytes >= self.bytes:
            self.bytes = min(self.bytes + size_bytes, BYTES_MAX)
        else:
            return
        self._memory.pop(self._peer, None)
        if self.bytes < BYTES_FIRST:
            if len(self._memory) >= PEERS_MAX:
                self._memory.clear()
            self._memory[self._peer] = self.bytes
