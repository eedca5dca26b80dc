"""Records what has just arrived at a replica from its peers.

In a standing session, a replica passes on the writes of other servers only after a pause. During the pause, the peer
may get a write from the server that accepted the write. Then the peer says that it holds the write, so this replica
need not send the write. So each body travels to each replica about once.

Each session finds out how long its pause must be. The session sends a frame after each pause. If the peer already had
all writes of the frame, the next pause is longer; otherwise the next pause is shorter. For a peer that gets writes only
from this replica, the pause soon becomes as short as possible. In a large or slow cluster, the pause becomes long
enough, and replicas do not send each other writes that all of them have.

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
    """Remembers what has arrived at one replica in the last `PAUSE_S_MAX` seconds. Any thread may call any method.

    Each session has a pause, in seconds. The session does not send writes and commits that have arrived here less than
    one pause ago. `pause_s` is the shortest pause of any session. If `pause_s` is 0, a session may send all writes and
    commits at once. `now_s` is a clock in seconds that never falls back.
    """

    def __init__(self, pause_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self.pause_s = pause_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._arrivals: deque[_Arrival] = deque()
        self._state_taker: weakref.ref[object] | None = None

    def note(self, selection: Selection) -> None:
        """Record that these writes have just arrived."""
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
        """Return the next pause of a session, in seconds. `pause_s` is the last pause. The session has sent a frame
        after this pause. `in_vain` is true if the peer already had all writes of the frame."""
        if in_vain:
            return min(pause_s * LONGER, PAUSE_S_MAX)
        return max(pause_s * SHORTER, self.pause_s)

    def without_recent(self, selection: Selection, pause_s: float) -> Selection:
        """Return the selection without the items that arrived in the last `pause_s` seconds. If a write is left out,
        all later writes of the same server are left out too. If a commit is left out, all later commits are left out
        too."""
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
        """Return whether this session may take a full state. If the answer is yes, the other sessions must wait. They
        wait until `end_state` is called for this session, or until the session object no longer exists."""
        with self._lock:
            taker = self._state_taker() if self._state_taker is not None else None
            if taker is None:
                self._state_taker = weakref.ref(session)
            return taker in {None, session}

    def end_state(self, session: object) -> None:
        """Let other sessions take a full state, if this session was taking a full state."""
        with self._lock:
            if self._state_taker is not None and self._state_taker() is session:
                self._state_taker = None

    def _drop_old(self) -> None:
        while self._arrivals and self._arrivals[0].at_s <= self._now_s() - PAUSE_S_MAX:
            self._arrivals.popleft()
