"""The tail of the store's events: one thread reads them on a connection of its own and hands them to all screens.

Recent events stay in memory, so that any number of followers costs one read; one who is further behind reads the store
itself, and so does each where so much happens that the listener hears it in sum. What was trimmed from the store, or
lost with it, is told as a `reset`: reload what you show.
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
from typing import Any, Protocol

from redis import Redis, RedisError

from bayou.write import Write
from replica.events.describe import Describer
from replica.events.expand import Cursor, ScreenEvent, Transaction, expand, in_sum, write_ids
from storage.queries import Gap

LOGGER = logging.getLogger("bayou.replica")
BLOCK_MS = 500
RECENT_MAX = 5000  # events in memory
BATCH_MAX = 50  # transactions a read, each of up to some hundred writes
MANY = 25  # changes in a read, beyond which the listener hears them in sum: no eye follows so many lines
PAUSE_S = 0.05  # between reads that find something: what comes meanwhile costs one read, and no eye sees the wait
WAIT_MIN_S, WAIT_MAX_S = 0.1, 5.0


class EventStore(Protocol):
    """The part of storage.store.Store that screens follow."""

    def events(self, after: str, block_ms: int, count_max: int, client: Redis) -> list[tuple[str, dict[str, Any]]]: ...

    def writes(self, ids: Sequence[str]) -> dict[str, Write]: ...

    def last_event(self) -> str: ...


class Connections(Protocol):
    """The part of storage.redis.connect.OpenStorage that gives connections."""

    @property
    def client(self) -> Redis: ...

    def blocking_client(self) -> Redis: ...


class Tail:
    """`start` begins behind what is there now; `listener` hears each transaction in order, in the tail's thread.

    It blocks on a connection of its own; followers that are far behind read with the one that all share.
    """

    def __init__(
        self,
        store: EventStore,
        connections: Connections,
        describer: Describer,
        label: str,
        listener: Callable[[Transaction], None],
    ) -> None:
        self._store = store
        self._connections = connections
        self._describer = describer
        self._label = label
        self._listener = listener
        self._changed = threading.Condition()
        self._notified: set[Callable[[], object]] = set()  # called wherever `_changed` is notified
        self._stopping = threading.Event()
        self._recent: deque[ScreenEvent] = deque(maxlen=RECENT_MAX)
        self._floor = Cursor(0, 0, 0)  # every event behind it that was told is in _recent
        self._last = self._floor
        self._resets = 0
        self._read: tuple[tuple[Cursor, Cursor], tuple[list[ScreenEvent], Cursor]] | None = None  # see `read`
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._floor = self._last = Cursor.parse(self._store.last_event())
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every follower."""
        self._stopping.set()
        with self._changed:
            self._notify()
        if self._thread.ident is not None:
            self._thread.join(WAIT_MAX_S)

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def follow(self, after: Cursor | None) -> Follower:
        """A follower of what comes behind `after` (None: behind what was told so far)."""
        with self._changed:
            return Follower(self, self._last if after is None else after, self._resets)

    def _run(self) -> None:
        wait_s, client, broken = WAIT_MIN_S, None, False
        while not self._stopping.is_set():
            try:
                if client is None:
                    client = self._connections.blocking_client()
                    self._begin_again(broken)
                    broken = False
                self._step(client)
                wait_s = WAIT_MIN_S
                continue
            except RedisError as error:
                LOGGER.debug("events cannot be read: %s", error)
            except Exception:  # whatever it is, screens go on behind it
                LOGGER.exception("events cannot be shown")
                broken = True
            _close(client)
            client = None
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, WAIT_MAX_S)
        _close(client)

    def _step(self, client: Redis) -> None:
        try:
            found = self._store.events(self._last.before_transaction(), BLOCK_MS, BATCH_MAX, client)
            self._tell(found)
            if found:
                self._stopping.wait(PAUSE_S)
        except Gap:
            self._reset(Cursor.parse(self._store.last_event()))

    def _begin_again(self, broken: bool) -> None:
        """Behind what was told; a store that came back with fewer events than were told has lost some."""
        last = Cursor.parse(self._store.last_event())
        if broken or last < self._last:
            self._reset(last)

    def _tell(self, found: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for transaction in self._heard(found):
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

    def _heard(self, found: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Transaction]:
        """Entries of the store as the listener hears them."""
        are_many = sum(len(entry.get("changes", ())) for _, entry in found) > MANY
        told = [(identifier, *(in_sum(entry) if are_many else (entry, None, ()))) for identifier, entry in found]
        writes = self._store.writes(write_ids((identifier, entry) for identifier, entry, _, _ in told))
        for identifier, entry, summed, csns in told:
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

    @contextlib.contextmanager
    def notifying(self, notify: Callable[[], object]) -> Iterator[None]:
        """Meanwhile `notify` is called after each change and at the end, in any thread. It must return at once."""
        with self._changed:
            self._notified.add(notify)
        try:
            yield
        finally:
            with self._changed:
                self._notified.discard(notify)

    def read(self, after: Cursor, last: Cursor) -> tuple[list[ScreenEvent], Cursor]:
        """Events of the store after `after` and up to `last`, at most those of BATCH_MAX transactions, and how far they
        reach. Raises Gap. Many followers stand at the same place, so what one of them read serves the next one."""
        held = self._read
        if held is None or held[0] != (after, last):
            entries = self._store.events(after.before_transaction(), 1, BATCH_MAX, self._connections.client)
            writes = self._store.writes(write_ids(entries))
            steps = [expand(key, entry, writes, self._describer, self._label) for key, entry in entries]
            found = [event for step in steps for event in step.events if after < event.cursor <= last]
            held = self._read = (after, last), (found, min(Cursor.parse(entries[-1][0]), last) if entries else last)
        return held[1]


class Follower:
    """One screen's position. Not for several threads."""

    def __init__(self, tail: Tail, after: Cursor, resets: int) -> None:
        self._tail = tail
        self._resets = resets
        self.after = after

    @property
    def ended(self) -> bool:
        return self._tail.stopped

    async def changed(self, timeout_s: float) -> None:
        """Wait, in an event loop, until `take` has something or the tail has stopped, or until the time is over."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        with (
            self._tail.notifying(lambda: loop.call_soon_threadsafe(news.set)),
            contextlib.suppress(TimeoutError),
        ):
            if not self._has_news:
                async with asyncio.timeout(timeout_s):
                    await news.wait()

    @property
    def is_behind(self) -> bool:
        """Whether `take` has to read the store, for what comes next is not in memory."""
        with self._tail._changed:
            return not self._outdated and self.after < self._tail._floor

    @property
    def _has_news(self) -> bool:
        return self._tail.stopped or self._outdated or self._tail._last > self.after

    def take(self, timeout_s: float) -> list[ScreenEvent]:
        """The next events, oldest first; none when none came within the time, or the tail has stopped."""
        tail = self._tail
        with tail._changed:
            tail._changed.wait_for(lambda: self._has_news, timeout_s)
            if tail.stopped:
                return []
            if self._outdated:
                return self._jump(tail._last, tail._resets)
            last = tail._last
            newer = takewhile(lambda event: event.cursor > self.after, reversed(tail._recent))
            found = list(newer)[::-1]
            if self.after >= tail._floor:
                self.after = last
                return found
        return self._from_store(last)

    @property
    def _outdated(self) -> bool:
        """Whether the position means nothing here: the store was lost, or the id came from elsewhere."""
        return self._resets != self._tail._resets or self.after > self._tail._last

    def _jump(self, last: Cursor, resets: int) -> list[ScreenEvent]:
        self.after, self._resets = last, resets
        return [ScreenEvent(last, "reset", {"replica": self._tail._label})]

    def _from_store(self, last: Cursor) -> list[ScreenEvent]:
        """Events that are not in memory any more, as far as the tail has come."""
        try:
            found, self.after = self._tail.read(self.after, last)
        except Gap:
            return self._jump(last, self._resets)
        return found


def _close(client: Redis | None) -> None:
    if client is not None:
        client.close()
