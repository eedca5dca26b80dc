"""Group commit: batches requests from many threads into one round trip to Redis.

While a batch is in flight, new requests queue up; when it returns, the first waiting thread becomes the leader and
sends everything queued as the next batch. A lone request is sent at once; under load a request waits for at most two
round trips.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from redis import ResponseError

Request = TypeVar("Request")


class _Asked(Generic[Request]):
    """One request, and what became of it."""

    __slots__ = ("has_reply", "reply", "request", "turn")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.has_reply = False
        self.reply: Any = None  # or what is to be raised
        self.turn = threading.Lock()  # released when the reply is there, or when this caller leads the next batch
        self.turn.acquire()


class Gathered(Generic[Request]):
    """`ask_all` makes one trip: requests in their order to replies. Every thread may use it."""

    def __init__(self, ask_all: Callable[[Sequence[Request]], Sequence[Any]]) -> None:
        self._ask_all = ask_all
        self._changing = threading.Lock()
        self._waiting: list[_Asked[Request]] = []
        self._is_under_way = False

    def ask(self, request: Request) -> Any:
        """The reply; raises what `ask_all` does."""
        asked = _Asked(request)
        with self._changing:
            self._waiting.append(asked)
            is_first, self._is_under_way = not self._is_under_way, True
        if not is_first:
            asked.turn.acquire()
        if not asked.has_reply:
            self._make_trip(asked)
        if isinstance(asked.reply, BaseException):
            raise asked.reply
        return asked.reply

    def _make_trip(self, own: _Asked[Request]) -> None:
        """For all that wait now, the own request among them."""
        with self._changing:
            all_asked, self._waiting = self._waiting, []
        replies = self._replies([asked.request for asked in all_asked])
        with self._changing:
            following = self._waiting[0] if self._waiting else None
            self._is_under_way = following is not None
        for asked, reply in reversed([*zip(all_asked, replies, strict=True)]):
            asked.reply, asked.has_reply = reply, True
            if asked is not own:
                asked.turn.release()
        if following:
            following.turn.release()

    def _replies(self, requests: Sequence[Request]) -> Sequence[Any]:
        try:
            return self._ask_all(requests)
        except ResponseError as error:
            if len(requests) == 1:
                return [error]
            # The script did nothing. One request may be at fault, which is not to fail the others.
            return [reply for request in requests for reply in self._replies([request])]
        except BaseException as error:
            return [error] * len(requests)
