"""GET /events: the events of this replica as server-sent events (the WHATWG standard of HTML, section 9.2). A client
can resume a stream with the id of the last event that it received.

Flask answers the request for a stream like any other request. The authorisation, the errors, and the rules for web
pages of other sites are the same. Then the web server's event loop sends the stream (see wsgi.py), so an open stream
uses no thread. A stream ends at once when its client leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

from flask import Response
from pydantic import Field
from redis import RedisError

from apps.api.endpoint import Endpoint
from apps.api.model import Model
from bayou.errors import BadInput
from replica.events.expand import Cursor, ScreenEvent
from replica.events.feed import FeedFollower
from replica.http.concurrency_limit import ConcurrencyLimit
from replica.http.parts import Parts
from replica.http.routing import HttpRequest, own_endpoint

STREAMS_MAX = 400  # a stream takes some 10 KiB, and time of the processor for each event
STREAMS_ADDRESS_MAX = 200
STREAMS_USER_MAX = 20
PAUSE_S = 0.2  # a stream sends at most once in this time: what happens meanwhile goes out together
HEARTBEAT_S = 15.0
RETRY_MS = 1000  # after which a browser comes back when the stream broke


class EventsQuery(Model):
    after: str | None = Field(default=None, description="The id of an event. The stream begins after this event.")


def endpoint(parts: Parts) -> Endpoint:
    limits = {"address_max": STREAMS_ADDRESS_MAX, "user_max": STREAMS_USER_MAX}
    limit = ConcurrencyLimit(STREAMS_MAX, "too_many_streams", "streams of events", **limits)
    reading = asyncio.Lock()

    def stream_events(request: HttpRequest[EventsQuery, None]) -> Response:
        """Stream the events of this replica as server-sent events. The stream begins after the event `after`. Without
        `after`, the stream begins with the next event. The header Last-Event-ID, which browsers send when they
        reconnect, takes precedence over `after`."""
        after = request.http.headers.get("Last-Event-ID") or request.query.after
        follower = parts.feed.follow(None if after is None else _cursor(after))
        client = request.session.client
        limit.acquire(client)
        return Response(
            EventStream(parts.label, follower, lambda: limit.release(client), reading),
            content_type="text/event-stream; charset=utf-8",
            headers={"X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )

    return own_endpoint(
        "GET",
        "/events",
        stream_events,
        {200: None},
        errors={429: ("too_many_streams",)},
        for_cluster_pages=True,
        is_endless=True,
    )


class EventStream:
    """The body of one open stream. The server calls `close` when the answer ends (PEP 3333). A second call of `close`
    has no effect.

    A stream reads the store only while it holds the lock `reading`, which all streams share. So all streams together
    use at most one thread. Most streams find the events in memory, because another stream has just read them.
    """

    def __init__(self, label: str, follower: FeedFollower, ended: Callable[[], object], reading: asyncio.Lock) -> None:
        self._label = label
        self._follower = follower
        self._reading = reading
        self._ended: Callable[[], object] | None = ended

    def close(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def __iter__(self) -> Iterator[bytes]:
        """Return a body that ends at once, for a server that supports only plain WSGI. The client then reconnects with
        the id of the last event that it received."""
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
                await asyncio.sleep(PAUSE_S - loop.time() % PAUSE_S)  # until the same moment for all streams

    async def _events(self) -> list[ScreenEvent]:
        if not self._follower.is_behind:
            return self._follower.take(0)
        async with self._reading:
            return await asyncio.get_running_loop().run_in_executor(None, self._follower.take, 0)

    def _opening(self) -> bytes:
        # An id without data sets the browser's last id and shows nothing: so a stream that breaks at once resumes.
        return f": events of {self._label}\nretry: {RETRY_MS}\nid: {self._follower.after}\n\n".encode()


def _block(event: ScreenEvent) -> str:
    return f"event: {event.name}\nid: {event.cursor}\ndata: {event.encoded}\n\n"


def _cursor(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except ValueError as reason:
        raise BadInput(
            "bad_input", f"{reason}. Send an id that GET /events gave, or send no id.", field="after"
        ) from None
