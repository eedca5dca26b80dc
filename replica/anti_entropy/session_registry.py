"""Records the running sessions of a replica, so that the replica has only one session with each peer at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from bayou.errors import PeerRefusalCode
from replica.anti_entropy.conversation import Conversation

CHANGE_S_MAX = 60.0
BROKEN_OFF = "The peer has begun another session."


class SessionRegistry:
    """The running sessions of a replica.

    If two replicas call each other at the same time, the call of the replica with the smaller label continues. The
    other call is refused. `is_cut(label)` returns whether the link to the peer `label` is cut. `is_paused()` returns
    whether this replica has manual pace. With manual pace, only sessions that a person asked for may begin.

    Call the methods in the event loop. Only `is_busy` and `standing` may also be called by other threads.
    """

    def __init__(
        self,
        label: str,
        is_cut: Callable[[str], bool] = lambda _peer: False,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._label = label
        self._is_cut = is_cut
        self._is_paused = is_paused
        self._is_closed = False
        self._calls: dict[str, Conversation] = {}
        self._answers: dict[str, Conversation] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def begin_call(self, peer: str, conversation: Conversation) -> bool:
        """Record the start of a session that this replica starts. Returns False if there is already a session with the
        peer, or if this session may not begin now."""
        if self.has_session(peer) or not self._may_begin(peer, conversation):
            return False
        self._calls[peer] = conversation
        self.note_change()
        return True

    def begin_answer(self, peer: str, conversation: Conversation, *, replaces: bool) -> bool:
        """Record the start of a session that the peer starts. Returns False if the session may not begin now, or
        if an earlier session that the peer started has not ended. Also returns False if a session that this replica
        started has not ended, and this replica has the smaller label.

        With `replaces`, first break off an open standing session with the peer. The peer starts a new session only
        after the standing session has ended on the peer's side.
        """
        if not self._may_begin(peer, conversation):
            return False
        for running in self._running(peer):
            if replaces and running.session.is_open:
                running.break_off(PeerRefusalCode.BUSY, BROKEN_OFF)
        if peer in self._answers or (peer in self._calls and self._label < peer):
            return False
        self._answers[peer] = conversation
        self.note_change()
        return True

    async def close(self, wait_s: float) -> None:
        """Refuse every new session from now on. Close the standing sessions, so that they end without an error. Wait
        until all sessions have ended, but not for longer than `wait_s` seconds. After this time, the caller must break
        off the sessions that still run."""
        self._is_closed = True
        await self._close(lambda: [*self._calls.values(), *self._answers.values()], wait_s)

    def _may_begin(self, peer: str, conversation: Conversation) -> bool:
        is_wanted = _is_on_request(conversation) or not self._is_paused()
        return is_wanted and not self._is_closed and not self._is_cut(peer)

    def end_call(self, peer: str, conversation: Conversation) -> None:
        if self._calls.get(peer) is conversation:
            del self._calls[peer]
        self.note_change()

    def end_answer(self, peer: str, conversation: Conversation) -> None:
        if self._answers.get(peer) is conversation:
            del self._answers[peer]
        self.note_change()

    def standing(self, peer: str) -> Conversation | None:
        """Return the open standing session with this peer; None if there is none."""
        return next((one for one in self._running(peer) if one.session.is_open), None)

    def labels(self) -> set[str]:
        """Return the labels of the peers with which there is a session."""
        return {*self._calls, *self._answers}

    def has_session(self, peer: str) -> bool:
        return peer in self._calls or peer in self._answers

    def is_busy(self, peer: str) -> bool:
        """Return whether a session with this peer is running and is not idle. A standing session is idle if it has
        nothing to send and waits for no frame. Any thread may call this method."""
        return any(not one.session.is_quiet for one in self._running(peer))

    def note_change(self) -> None:
        """Wake the tasks that wait for a change. Call this method when a session has begun, has opened or has ended."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait_change(self, wait_s: float) -> None:
        """Wait for a change, but not for longer than `wait_s`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await asyncio.wait([future], timeout=wait_s)
        if future in self._waiting:
            self._waiting.remove(future)

    async def wait_standing(self, peer: str) -> None:
        """Wait until there is an open standing session with this peer."""
        while self.standing(peer) is None:
            await self.wait_change(CHANGE_S_MAX)

    async def break_off(self, peer: str, reason: str, wait_s: float) -> None:
        """End the sessions with a peer, and wait until they have ended, but not for longer than `wait_s`."""
        running = list(self._running(peer))
        for conversation in running:
            conversation.break_off(PeerRefusalCode.BROKEN_OFF, reason)
        if running:
            waiting = [asyncio.create_task(conversation.wait_ended()) for conversation in running]
            await asyncio.wait(waiting, timeout=wait_s)

    async def pause(self, reason: str, wait_s: float) -> None:
        """End all sessions that may not run with manual pace (see `_is_on_request`). First close the standing sessions.
        After `wait_s` seconds, break off the sessions that still run."""
        await self._close(self._unrequested, wait_s)
        for conversation in self._unrequested():
            conversation.break_off(PeerRefusalCode.BROKEN_OFF, reason)

    async def _close(self, running: Callable[[], Sequence[Conversation]], wait_s: float) -> None:
        """Close the standing sessions in the list that `running` returns. Wait until `running` returns an empty list,
        but not for longer than `wait_s` seconds."""
        deadline_s = time.monotonic() + wait_s
        while (left := running()) and time.monotonic() < deadline_s:
            for conversation in left:
                conversation.close()
            await self.wait_change(deadline_s - time.monotonic())

    def _unrequested(self) -> list[Conversation]:
        running = [*self._calls.values(), *self._answers.values()]
        return [one for one in running if not _is_on_request(one)]

    def _running(self, peer: str) -> Iterator[Conversation]:
        for sessions in (self._calls, self._answers):
            if (found := sessions.get(peer)) is not None:
                yield found


def _is_on_request(conversation: Conversation) -> bool:
    """Return True if a person asked for the session, and this side does not let the session stay open. Only such a
    session may run while this replica has manual pace."""
    return conversation.session.is_requested and not conversation.session.may_stand
