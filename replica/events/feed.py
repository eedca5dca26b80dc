"""The event feed: one thread reads the store's events, keeps recent events in memory, and passes them to a listener.

All followers share the events in memory. If one read finds very many changes, the feed only counts the events of these
changes, and does not keep them in memory. If a follower's next events are not in memory, the follower reads the store.
If the store has dropped or lost these events, the follower gets a `reset` event. After this event, a screen must load
its content again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, NamedTuple

from redis import Redis, RedisError

from replica.events.describe import Describer
from replica.events.expand import Cursor, ScreenEvent, Transaction, expand, summarise, write_ids
from storage.queries import Gap
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
BLOCK_MS = 500
RECENT_MAX = 5000  # events in memory
BATCH_MAX = 50  # transactions a read, each of up to some hundred writes
MANY = 25  # changes, or writes rolled back, in a read; with more, the listener gets summaries: nobody reads so many
PAUSE_S = 0.05  # after a read that found something, so that one read takes all that comes meanwhile
WAIT_MIN_S, WAIT_MAX_S = 0.1, 5.0


class Position(NamedTuple):
    """A position in the feed, directly after the event with the cursor `after`. `resets` is the number of resets of the
    feed before this position was made. The next reset makes the position invalid."""

    after: Cursor
    resets: int


class EventFeed:
    """The feed of one replica. After `start`, the thread of the feed calls `listener` with each transaction in order.

    `blocking_client` makes the Redis client with which the thread reads the store. Followers read the store with the
    Redis client `client`.
    """

    def __init__(
        self,
        store: Store,
        client: Redis,
        blocking_client: Callable[[], Redis],
        describer: Describer,
        label: str,
        listener: Callable[[Transaction], None],
    ) -> None:
        self._store = store
        self._client = client
        self._blocking_client = blocking_client
        self._describer = describer
        self._label = label
        self._listener = listener
        self._changed = threading.Condition()
        self._notified: set[Callable[[], object]] = set()  # called whenever `_changed` is notified
        self._stopping = threading.Event()
        self._recent: deque[ScreenEvent] = deque(maxlen=RECENT_MAX)
        self._floor = Cursor(0, 0, 0)  # _recent has every event after it
        self._last = self._floor
        self._resets = 0
        self._read_last: tuple[tuple[Cursor, Cursor], tuple[list[ScreenEvent], Cursor]] | None = None
        self._thread = threading.Thread(target=self._run, name="event feed", daemon=True)

    def start(self) -> None:
        self._floor = self._last = Cursor.parse(self._store.last_event())
        self._thread.start()

    def stop(self) -> None:
        """Wake every follower, and ask the thread to end. If the thread is reading the store, the thread ends
        after this read. The read takes up to BLOCK_MS, or ends when the storage is closed."""
        self._stopping.set()
        with self._changed:
            self._notify()

    def join(self) -> None:
        """Wait for the end of the thread, after `stop`."""
        if self._thread.ident is not None:
            self._thread.join(WAIT_MAX_S)

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def follow(self, after: Cursor | None) -> FeedFollower:
        """Return a follower of the events after `after`. If `after` is None, the follower gets only the events that are
        still to come."""
        with self._changed:
            return FeedFollower(self, Position(self._last if after is None else after, self._resets))

    def entries(self, after: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return up to BATCH_MAX transactions that come after the transaction `after` in the store, oldest first, as
        pairs (id, entry). If the store has already dropped the next transaction, begin with the oldest transaction in
        the store."""
        try:
            return [*self._store.events(after, None, BATCH_MAX, self._client)]
        except Gap:
            return [*self._store.events("0-0", None, BATCH_MAX, self._client)]

    # For followers.

    def read(self, position: Position) -> tuple[list[ScreenEvent], Position]:
        """Return the events after the position, oldest first, and the new position. After the feed has stopped, return
        no events."""
        with self._changed:
            if self.stopped:
                return [], position
            if self._is_void(position):
                return self._reset_for_follower()
            last = self._last
            if position.after >= self._floor:
                newer = takewhile(lambda event: event.cursor > position.after, reversed(self._recent))
                return list(newer)[::-1], Position(last, self._resets)
        try:
            events, after = self._read_store(position.after, last)
        except Gap:
            return self._reset_for_follower()
        return events, Position(after, position.resets)

    def wait(self, position: Position, timeout_s: float) -> None:
        """Wait until `read` has something to return, until the feed has stopped, or until `timeout_s` is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_news(position), timeout_s)

    async def wait_in_loop(self, position: Position, timeout_s: float) -> None:
        """Do the same as `wait`, in an event loop."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        with self._notifying(lambda: loop.call_soon_threadsafe(news.set)), contextlib.suppress(TimeoutError):
            if not self._has_news(position):
                async with asyncio.timeout(timeout_s):
                    await news.wait()

    def is_behind(self, position: Position) -> bool:
        """Return whether `read` must read the store, because the next events are not in memory."""
        with self._changed:
            return not self._is_void(position) and position.after < self._floor

    def _read_store(self, after: Cursor, last: Cursor) -> tuple[list[ScreenEvent], Cursor]:
        """Return the events after `after` and up to `last`, from at most BATCH_MAX transactions. Also return the cursor
        after these events. Raises Gap if the store no longer has these events. The method keeps its last result for the
        next call, because many followers have the same position."""
        held = self._read_last
        if held is None or held[0] != (after, last):
            entries = self._store.events(after.before_transaction(), None, BATCH_MAX, self._client)
            writes = self._store.writes(write_ids(entries))
            transactions = [expand(key, entry, writes, self._describer, self._label) for key, entry in entries]
            events = [event for found in transactions for event in found.events if after < event.cursor <= last]
            reached = min(Cursor.parse(entries[-1][0]), last) if entries else last
            held = self._read_last = (after, last), (events, reached)
        return held[1]

    def _has_news(self, position: Position) -> bool:
        return self.stopped or self._is_void(position) or self._last > position.after

    def _is_void(self, position: Position) -> bool:
        """Return whether the position can no longer be used: either the feed was reset since the position was made, or
        another feed made the position."""
        return self._resets != position.resets or position.after > self._last

    def _reset_for_follower(self) -> tuple[list[ScreenEvent], Position]:
        with self._changed:
            return [ScreenEvent(self._last, "reset", {"replica": self._label})], Position(self._last, self._resets)

    @contextlib.contextmanager
    def _notifying(self, notify: Callable[[], object]) -> Iterator[None]:
        """Within the context, call `notify` after each change of the feed. Other threads call `notify` and hold the
        lock of the feed, so `notify` must return at once."""
        with self._changed:
            self._notified.add(notify)
        try:
            yield
        finally:
            with self._changed:
                self._notified.discard(notify)

    # The thread.

    def _run(self) -> None:
        wait_s, client, broken = WAIT_MIN_S, None, False
        while not self._stopping.is_set():
            try:
                if client is None:
                    client = self._blocking_client()
                    self._reconnected(broken)
                    broken = False
                self._step(client)
                wait_s = WAIT_MIN_S
                continue
            except RedisError as error:
                LOGGER.debug("events cannot be read: %s", error)
            except Exception:  # go on after the event that caused it
                LOGGER.exception("events cannot be shown")
                broken = True
            _close(client)
            client = None
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, WAIT_MAX_S)
        _close(client)

    def _step(self, client: Redis) -> None:
        try:
            entries = self._store.events(self._last.before_transaction(), BLOCK_MS, BATCH_MAX, client)
            self._pass_on(entries)
            if entries:
                self._stopping.wait(PAUSE_S)
        except Gap:
            self._reset(Cursor.parse(self._store.last_event()))

    def _reconnected(self, broken: bool) -> None:
        """Reset the feed after a new connection to the store, if an event could not be shown (`broken`), or if the
        store has lost events. The store has lost events if its last event is older than the last event of the feed."""
        last = Cursor.parse(self._store.last_event())
        if broken or last < self._last:
            self._reset(last)

    def _pass_on(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for transaction in self._for_listener(entries):
            with self._changed:
                cursor = Cursor.parse(transaction.id)
                if transaction.summed:
                    self._recent.clear()
                    self._floor = cursor
                else:
                    for event in transaction.events:
                        if len(self._recent) == RECENT_MAX:
                            self._floor = self._recent[0].cursor
                        self._recent.append(event)
                self._last = cursor
                self._notify()
            self._listener(transaction)

    def _for_listener(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Transaction]:
        """Yield entries of the store as transactions. If there are many changes, the transactions are summaries."""
        are_many = any(sum(len(entry.get(of, ())) for _, entry in entries) > MANY for of in ("changes", "undone"))
        found = [(identifier, *(summarise(entry) if are_many else (entry, None, ()))) for identifier, entry in entries]
        writes = self._store.writes(write_ids((identifier, entry) for identifier, entry, _, _ in found))
        for identifier, entry, summed, csns in found:
            transaction = expand(identifier, entry, writes, self._describer, self._label)
            yield replace(transaction, summed=summed, csns=csns) if summed else transaction

    def _reset(self, last: Cursor) -> None:
        with self._changed:
            self._recent.clear()
            self._floor = self._last = last
            self._resets += 1
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        for notify in self._notified:
            notify()


class FeedFollower:
    """Follows the feed for one screen. Only one thread at a time may use the follower."""

    def __init__(self, feed: EventFeed, position: Position) -> None:
        self._feed = feed
        self._position = position

    @property
    def after(self) -> Cursor:
        """The cursor of the last event that `take` has returned."""
        return self._position.after

    @property
    def ended(self) -> bool:
        return self._feed.stopped

    @property
    def is_behind(self) -> bool:
        """Whether `take` must read the store, because the next events are not in memory."""
        return self._feed.is_behind(self._position)

    async def changed(self, timeout_s: float) -> None:
        """Wait in an event loop until `take` has something to return, until the feed has stopped, or until `timeout_s`
        is over."""
        await self._feed.wait_in_loop(self._position, timeout_s)

    def take(self, timeout_s: float) -> list[ScreenEvent]:
        """Wait for the next events, and return them, oldest first. Returns no events if none come within `timeout_s`,
        or if the feed has stopped."""
        self._feed.wait(self._position, timeout_s)
        events, self._position = self._feed.read(self._position)
        return events


def _close(client: Redis | None) -> None:
    if client is not None:
        client.close()
