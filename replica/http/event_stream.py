"""GET /events: what happens here, as server-sent events (the WHATWG standard of HTML, section 9.2), resumable by id.

A stream holds a thread for as long as it is open, so the number of streams is capped, and a client that left is noticed
within a second where the server can tell (waitress can).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, request
from flask_restful import Resource
from redis import RedisError

from bayou.errors import BadInput
from replica.events.expand import Cursor, ScreenEvent
from replica.events.feed import Follower, Tail
from replica.http.concurrency_limit import Places
from replica.http.parts import Parts

STREAMS_MAX = 8
HEARTBEAT_S = 15.0
LOOK_S = 1.0  # how often a stream looks whether its client is still there
RETRY_MS = 1000  # after which a browser comes back when the stream broke


def register(api: Any, parts: Parts) -> None:
    """Add the resource to a flask_restful.Api."""
    places = Places(STREAMS_MAX, "too_many_streams", "streams of events")
    given = {"label": parts.label, "tail": parts.tail, "places": places}
    api.add_resource(Events, "/events", resource_class_kwargs=given)


class Events(Resource):  # type: ignore[misc]  # flask_restful has no types
    def __init__(self, label: str, tail: Tail, places: Places) -> None:
        self._label = label
        self._tail = tail
        self._places = places

    def get(self) -> Response:
        """Behind Last-Event-ID, which a browser sends when it comes back; else behind ?after=; else from now."""
        after = request.headers.get("Last-Event-ID") or request.args.get("after")
        follower = self._tail.follow(None if after is None else _cursor(after))
        gone = request.environ.get("waitress.client_disconnected", lambda: False)
        self._places.take()
        stream = _Stream(self._label, self._tail, follower, gone)
        response = Response(
            stream, content_type="text/event-stream; charset=utf-8", headers={"X-Accel-Buffering": "no"}
        )
        # Called when the response ends, however it ends; a generator's `finally` is not, if it was never begun.
        response.call_on_close(self._places.give_back)
        return response


class _Stream:
    """The chunks of one open stream."""

    def __init__(self, label: str, tail: Tail, follower: Follower, gone: Callable[[], bool]) -> None:
        self._label = label
        self._tail = tail
        self._follower = follower
        self._gone = gone

    def __iter__(self) -> Iterator[bytes]:
        # An id without data sets the browser's last id and shows nothing: so a stream that breaks at once resumes.
        yield f": events of {self._label}\nretry: {RETRY_MS}\nid: {self._follower.after}\n\n".encode()
        heard = time.monotonic()
        while not self._tail.stopped and not self._gone():
            try:
                chunk = "".join(_block(event) for event in self._follower.take(LOOK_S))
            except RedisError:  # the client comes back with its last id
                return
            if not chunk and time.monotonic() - heard >= HEARTBEAT_S:
                chunk = ": still here\n\n"
            if chunk:
                heard = time.monotonic()
                yield chunk.encode()


def _block(event: ScreenEvent) -> str:
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event.name}\nid: {event.cursor}\ndata: {data}\n\n"


def _cursor(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except ValueError as reason:
        raise BadInput("bad_input", f"{reason}; send one that /events gave, or none.", field="after") from None
