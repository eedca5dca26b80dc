"""Group commit: batches requests from many threads into one round trip to Redis.

While a batch is in flight, new requests queue up. When the replies to the batch arrive, the first waiting thread
becomes the leader and sends everything queued as the next batch. A lone request is sent at once; under load a request
waits for at most two round trips.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from redis import ResponseError

from bayou.errors import Hung

Request = TypeVar("Request")


class _Pending(Generic[Request]):
    """One request and its reply."""

    __slots__ = ("has_reply", "reply", "request", "turn")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.has_reply = False
        self.reply: Any = None  # or the exception to raise
        self.turn = threading.Lock()  # released when the reply is there, or when this thread becomes the leader
        self.turn.acquire()


class GroupCommit(Generic[Request]):
    """The queue of requests. `send_all` makes one round trip to Redis: it takes a list of requests, and returns their
    replies in the same order."""

    def __init__(self, send_all: Callable[[Sequence[Request]], Sequence[Any]]) -> None:
        self._send_all = send_all
        self._changing = threading.Lock()
        self._queue: list[_Pending[Request]] = []
        self._is_in_flight = False

    def submit(self, request: Request) -> Any:
        """Return the reply to this request, or raise the error of `send_all`. Any thread may call this method.

        A ResponseError or Hung may be the fault of a single request. So the requests of the batch are sent again, one
        by one. After any other error, all requests of the batch fail.
        """
        own = _Pending(request)
        with self._changing:
            self._queue.append(own)
            is_leader, self._is_in_flight = not self._is_in_flight, True
        if not is_leader:
            own.turn.acquire()
        if not own.has_reply:
            self._send_queue(own)
        if isinstance(own.reply, BaseException):
            raise own.reply
        return own.reply

    def _send_queue(self, own: _Pending[Request]) -> None:
        """Send everything queued, including the leader's `own` request. Then wake the threads of the batch and the next
        leader."""
        with self._changing:
            batch, self._queue = self._queue, []
        replies = self._replies([pending.request for pending in batch])
        with self._changing:
            next_leader = self._queue[0] if self._queue else None
            self._is_in_flight = next_leader is not None
        for pending, reply in zip(batch, replies, strict=True):
            pending.reply, pending.has_reply = reply, True
            if pending is not own:
                pending.turn.release()
        if next_leader:
            next_leader.turn.release()

    def _replies(self, requests: Sequence[Request]) -> Sequence[Any]:
        try:
            return self._send_all(requests)
        except (ResponseError, Hung) as error:
            if len(requests) == 1:
                return [error]
            # The script changed nothing. One request may be at fault, and must not fail the others.
            return [reply for request in requests for reply in self._replies([request])]
        except BaseException as error:
            return [error] * len(requests)
