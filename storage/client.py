"""redis-py's client, but a connection that a call has taken from the pool is kept for the next call.

To take one from the pool and give it back, and to count that, is a quarter of what Python does for a call.
"""

from __future__ import annotations

from typing import Any

import redis

KEPT_MAX = 32  # more were needed at once; the others go back to the pool, where pipelines take theirs


class Client(redis.Redis):
    """Calls are as redis-py's, from any thread or task, but not across a fork; each is tried once, whatever `retry`
    says. Pipelines take their connections from the pool.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[Any] = []  # connections that are in order; the pool takes them for being used

    def execute_command(self, *words: Any, **options: Any) -> Any:
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self.connection_pool.get_connection()
        is_in_order = False
        try:
            _disconnect_unless_sound(connection)
            connection.send_command(*words)
            reply = self.parse_response(connection, words[0], **options)  # type: ignore[no-untyped-call]
            is_in_order = True
        except redis.ResponseError:
            is_in_order = connection.is_connected  # it is not, where Redis has refused the greeting
            raise
        finally:
            if not is_in_order:
                connection.disconnect()
            if is_in_order and len(self._kept) < KEPT_MAX:
                self._kept.append(connection)
            else:
                self.connection_pool.release(connection)
        return reply


def _disconnect_unless_sound(connection: Any) -> None:
    """One that Redis has closed, or that holds what nobody asked for, is disconnected; sending connects it anew."""
    try:
        is_sound = not connection.can_read()
    except redis.RedisError:
        is_sound = False
    if not is_sound:
        connection.disconnect()
