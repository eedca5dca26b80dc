"""Records with which peers this replica has a session, so that there is only one session with each peer at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

Cancel = Callable[[], object]


class SessionRegistry:
    """The running sessions. If two replicas call each other at the same time, the call of the replica with the smaller
    label continues, and the other call is refused."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._change = threading.Condition()
        self._calls: dict[str, Cancel] = {}
        self._answers: dict[str, Cancel] = {}

    def begin_call(self, peer: str, cancel: Cancel) -> bool:
        """Record the start of a session that this replica starts. Returns False if there is a session with the peer
        already. `cancel` cancels the session."""
        with self._change:
            if peer in self._calls or peer in self._answers:
                return False
            self._calls[peer] = cancel
            return True

    def begin_answer(self, peer: str, cancel: Cancel) -> bool:
        """Record the start of a session that the peer starts. Returns False if another session with the peer takes
        precedence. `cancel` cancels the session."""
        with self._change:
            if peer in self._answers or (peer in self._calls and self._label < peer):
                return False
            self._answers[peer] = cancel
            return True

    def end_call(self, peer: str) -> None:
        with self._change:
            del self._calls[peer]
            self._change.notify_all()

    def end_answer(self, peer: str) -> None:
        with self._change:
            del self._answers[peer]
            self._change.notify_all()

    def is_busy(self, peer: str) -> bool:
        with self._change:
            return self._has_session(peer)

    def wait_idle(self, peer: str, wait_s: float) -> bool:
        """Wait until there is no session with the peer. Returns False if there still is one after `wait_s`."""
        with self._change:
            return self._change.wait_for(lambda: not self._has_session(peer), wait_s)

    def break_off(self, peer: str) -> None:
        """Cancel the sessions with a peer."""
        with self._change:
            cancels = [sessions[peer] for sessions in (self._calls, self._answers) if peer in sessions]
        for cancel in cancels:
            cancel()

    def _has_session(self, peer: str) -> bool:
        return peer in self._calls or peer in self._answers
