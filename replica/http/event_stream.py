"""GET /events: what happens here, as server-sent events (the WHATWG standard of HTML, section 9.2), resumable by id.

Flask opens a stream as it answers any request: the same authorisation, the same rules for other sites, the same errors.
The web server's event loop then sends it (see wsgi.py), so an open stream holds no thread. It ends at once when its
client leaves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from flask import Response, request
from flask_restful import Resource
from redis import RedisError

from bayou.errors import BadInput
from replica.events.expand import Cursor, ScreenEvent
from replica.events.feed import Follower, Tail
from replica.http.concurrency_limit import Places
from replica.http.parts import Parts

STREAMS_MAX = 200  # a stream takes some 10 KiB, and a piece of each event's way
HEARTBEAT_S = 15.0
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
        """After Last-Event-ID, which a browser sends when it comes back; else after ?after=; else from now on."""
        after = request.headers.get("Last-Event-ID") or request.args.get("after")
        follower = self._tail.follow(None if after is None else _cursor(after))
        self._places.take()
        return Response(
            EventStream(self._label, follower, self._places),
            content_type="text/event-stream; charset=utf-8",
            headers={"X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )


class EventStream:
    """The body of one open stream. `close` gives its place back, as PEP 3333 has every server call it."""

    def __init__(self, label: str, follower: Follower, places: Places) -> None:
        self._label = label
        self._follower = follower
        self._places: Places | None = places

    def close(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.give_back()

    def __iter__(self) -> Iterator[bytes]:
        """For a server that knows only plain WSGI: the stream ends, and its client comes back with its last id."""
        return iter((self._opening(),))

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        yield self._opening()
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while not self._follower.ended:
            await self._follower.changed(heard + HEARTBEAT_S - loop.time())
            try:
                chunk = "".join(_block(event) for event in await self._events())
            except RedisError:  # the client comes back with its last id
                return
            if not chunk and loop.time() - heard >= HEARTBEAT_S:
                chunk = ": still here\n\n"
            if chunk:
                heard = loop.time()
                yield chunk.encode()

    async def _events(self) -> list[ScreenEvent]:
        if self._follower.is_behind:
            return await asyncio.get_running_loop().run_in_executor(None, self._follower.take, 0)
        return self._follower.take(0)

    def _opening(self) -> bytes:
        # An id without data sets the browser's last id and shows nothing: so a stream that breaks at once resumes.
        return f": events of {self._label}\nretry: {RETRY_MS}\nid: {self._follower.after}\n\n".encode()


def _block(event: ScreenEvent) -> str:
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event.name}\nid: {event.cursor}\ndata: {data}\n\n"


def _cursor(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except ValueError as reason:
        raise BadInput("bad_input", f"{reason}; send one that /events gave, or none.", field="after") from None
