"""The notifications of a replica in Redis: the writes that the replica follows, and the messages to send.

Each method except `mark` is atomic and may safely be repeated. Only one thread may use these methods. The thread reads
a message with `next_waiting`, and then removes the message with `mark`. This module does not interpret the texts that
it stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from storage.keys import Namespace

SENT_MAX = 10_000  # messages whose ids are kept


@dataclass(slots=True)
class Progress:
    """What `NoticeStore.save` records in one transaction. A change of a tentative write is held back for a while before
    its user gets a message.

    followed   write id -> a text that says what is known of the write
    held       write id -> the time at which a change of the write was held back, in milliseconds since 1970
    settled    ids of writes whose change is no longer held back
    forgotten  ids of writes that are no longer followed
    messages   the messages to send, the oldest first
    """

    followed: dict[str, str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)


class NoticeStore:
    """The notifications of the replica with this label."""

    def __init__(self, client: Redis, label: str) -> None:
        self._redis: Any = client  # as in storage/script_runner.py
        self._keys = Namespace(label)

    def position(self) -> tuple[str, str] | None:
        """Return two ids: the id of the last event that was seen, and the server id of this replica when the event was
        seen. Return None if no event is recorded."""
        event, server = self._redis.hmget(self._keys.notices, "position", "server")
        return (event.decode(), server.decode()) if event and server else None

    def start(self, event: str, server: str) -> int:
        """Set the position to this event. Forget all followed writes and all waiting messages, but keep the ids of the
        messages that were sent. Return how many messages were waiting."""
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.llen(self._keys.notices_waiting)
            transaction.delete(self._keys.notices_followed, self._keys.notices_held, self._keys.notices_waiting)
            self._note_position(transaction, event, server)
            return int(transaction.execute()[0])

    def forget(self) -> None:
        """Forget the position, so that the next start begins after the newest event."""
        self._redis.delete(self._keys.notices)

    def followed(self, ids: Sequence[str]) -> dict[str, str]:
        """Return a mapping from the id of a write to the text that says what is known of the write. Writes that are not
        followed are left out."""
        found = self._redis.hmget(self._keys.notices_followed, list(ids)) if ids else []
        return {one: known.decode() for one, known in zip(ids, found, strict=True) if known}

    def all_followed(self) -> list[str]:
        """Return the ids of all writes that are followed."""
        return [one.decode() for one in self._redis.hkeys(self._keys.notices_followed)]

    def held(self, until_ms: int, count_max: int) -> list[str]:
        """Return the ids of writes whose change was held back at `until_ms` or earlier, the oldest first. Returns at
        most `count_max` ids."""
        found = self._redis.zrangebyscore(self._keys.notices_held, "-inf", until_ms, start=0, num=count_max)
        return [one.decode() for one in found]

    def oldest_held_ms(self) -> int | None:
        """Return the time at which the oldest held change was held back, in milliseconds since 1970. Return None if no
        change is held back."""
        found = self._redis.zrange(self._keys.notices_held, 0, 0, withscores=True)
        return int(found[0][1]) if found else None

    def save(self, progress: Progress, position: tuple[str, str] | None = None) -> None:
        """Record progress. `position` is a pair (event id, server id). If it is given, also record that all events up
        to the event with this id were seen."""
        keys = self._keys
        with self._redis.pipeline(transaction=True) as transaction:
            if progress.followed:
                transaction.hset(keys.notices_followed, mapping=progress.followed)
            if progress.held:
                transaction.zadd(keys.notices_held, progress.held, nx=True)  # since the first such change
            if progress.forgotten:
                transaction.hdel(keys.notices_followed, *progress.forgotten)
            if gone := progress.settled | progress.forgotten:
                transaction.zrem(keys.notices_held, *gone)
            if progress.messages:
                transaction.rpush(keys.notices_waiting, *progress.messages)
            if position:
                self._note_position(transaction, *position)
            transaction.execute()

    def count_waiting(self) -> int:
        return int(self._redis.llen(self._keys.notices_waiting))

    def next_waiting(self) -> str | None:
        """Return the oldest waiting message; None if no message is waiting."""
        found = self._redis.lindex(self._keys.notices_waiting, 0)
        return found.decode() if found else None

    def mark(self, identifier: str, now_ms: int) -> bool:
        """Mark the oldest waiting message as sent, and return True. The caller must then send the message. `identifier`
        must be the id of this message.

        If a message with the same id was marked before, drop the waiting message and return False.
        """
        keys = self._keys
        if self._redis.zscore(keys.notices_sent, identifier) is not None:
            self._redis.lpop(keys.notices_waiting)
            return False
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.lmove(keys.notices_waiting, keys.notices_sending, "LEFT", "RIGHT")
            transaction.zadd(keys.notices_sent, {identifier: now_ms})
            transaction.zremrangebyrank(keys.notices_sent, 0, -SENT_MAX - 1)
            transaction.execute()
        return True

    def note_attempt(self) -> None:
        """Record that the attempt to send the marked message is over."""
        self._redis.delete(self._keys.notices_sending)

    def interrupted(self) -> list[str]:
        """Return the marked messages for which `note_attempt` was never called. The attempt to send them was
        interrupted."""
        return [one.decode() for one in self._redis.lrange(self._keys.notices_sending, 0, -1)]

    def _note_position(self, transaction: Any, event: str, server: str) -> None:
        transaction.hset(self._keys.notices, mapping={"position": event, "server": server})
