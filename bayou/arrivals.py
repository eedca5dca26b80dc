"""Records what has just arrived at a replica from its peers.

In a standing session, a replica passes on the writes of other servers only after a pause. During the pause, the peer
may get a write from the server that accepted it. The peer then says that it holds the write, and this replica does not
send it. So each body travels to each replica about once.

Each session finds out how long its pause must be. After each pause it sends a frame. If the peer already had all writes
of the frame, the next pause is longer; otherwise it is shorter. For a peer that gets writes only from this replica, the
pause soon becomes as short as possible. In a large or slow cluster, replicas do not send each other writes that all of
them have.

A replica takes a full state from one peer at a time. The parts of two full states would only replace each other.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

from bayou.payloads import Item, Selection
from bayou.stamps import split_id

PAUSE_S_MAX = 2.0
LONGER, SHORTER = 2.0, 0.8  # factors for the pause of a session, after a frame in vain and after a useful one


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_s: float
    csn: int | None  # of the first commit
    stamps: dict[str, int]  # server id -> the lowest stamp of its writes that came with their bodies


class Arrivals:
    """What has arrived at one replica in the last `PAUSE_S_MAX` seconds. `pause_s` is the shortest pause of a session;
    with 0, nothing waits. Any thread may call any method. `now_s` is a clock in seconds that never falls back."""

    def __init__(self, pause_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self.pause_s = pause_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._arrivals: deque[_Arrival] = deque()
        self._state_taker: weakref.ref[object] | None = None

    def note(self, selection: Selection) -> None:
        """Note that these writes have arrived."""
        if not self.pause_s:
            return
        stamps: dict[str, int] = {}
        for item in selection.items:
            if item.body:  # otherwise the write was here before, and writes after it need not wait
                stamp, origin = split_id(item.id)
                stamps[origin] = min(stamp, stamps.get(origin, stamp))
        csn = next((item.csn for item in selection.items if item.csn is not None), None)
        with self._lock:
            self._drop_old()
            self._arrivals.append(_Arrival(self._now_s(), csn, stamps))

    def next_pause_s(self, pause_s: float, *, in_vain: bool) -> float:
        """Return the next pause of a session whose last pause was `pause_s`. `in_vain` says whether the peer already
        had all writes of the frame that followed that pause."""
        if in_vain:
            return min(pause_s * LONGER, PAUSE_S_MAX)
        return max(pause_s * SHORTER, self.pause_s)

    def without_recent(self, selection: Selection, pause_s: float) -> Selection:
        """Return the selection without the items that arrived in the last `pause_s` seconds. Items that must come after
        one of these are left out too: later commits, and later writes of the same server."""
        since_s = self._now_s() - pause_s
        with self._lock:
            self._drop_old()
            recent = list(takewhile(lambda arrival: arrival.at_s > since_s, reversed(self._arrivals)))
        if not recent:
            return selection
        first_csn = min((arrival.csn for arrival in recent if arrival.csn is not None), default=math.inf)
        lowest: dict[str, int] = {}
        for arrival in recent:
            for origin, stamp in arrival.stamps.items():
                lowest[origin] = min(stamp, lowest.get(origin, stamp))
        kept: list[Item] = []
        waiting: set[str] = set()  # servers
        for item in selection.items:
            stamp, origin = split_id(item.id)
            if item.csn is not None and first_csn <= item.csn:
                waits = True
            else:
                waits = origin in waiting or (bool(item.body) and stamp >= lowest.get(origin, math.inf))
            if not waits:
                kept.append(item)
            elif item.csn is not None:
                first_csn = min(first_csn, item.csn)
            if waits and item.body:
                waiting.add(origin)
        return selection if len(kept) == len(selection.items) else replace(selection, items=tuple(kept))

    def may_take_state(self, session: object) -> bool:
        """Return whether this session may take a full state. If so, no other session may take one until `end_state` is
        called for this session, or the session object no longer exists."""
        with self._lock:
            taker = self._state_taker() if self._state_taker is not None else None
            if taker is None:
                self._state_taker = weakref.ref(session)
            return taker in {None, session}

    def end_state(self, session: object) -> None:
        """Note that this session takes no full state now."""
        with self._lock:
            if self._state_taker is not None and self._state_taker() is session:
                self._state_taker = None

    def _drop_old(self) -> None:
        while self._arrivals and self._arrivals[0].at_s <= self._now_s() - PAUSE_S_MAX:
            self._arrivals.popleft()
