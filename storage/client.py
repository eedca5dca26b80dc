"""redis-py's client, but a connection that a call has taken from the pool is kept for the next call.

To take one from the pool and give it back, and to count that, is a quarter of what Python does for a call.
"""

from __future__ import annotations

from typing import Any

import redis


class Client(redis.Redis):
    """Calls are as redis-py's, from any thread or task; pipelines take connections as theirs do. `close` ends all."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: list[Any] = []  # connections that answered, which the pool takes for being used

    def execute_command(self, *words: Any, **options: Any) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connection_pool.get_connection()
        else:
            _see_to(connection)
        is_in_order = False
        try:
            connection.send_command(*words)
            reply = self.parse_response(connection, words[0], **options)  # type: ignore[no-untyped-call]
            is_in_order = True
        except redis.ResponseError:
            is_in_order = True
            raise
        finally:
            if is_in_order:
                self._idle.append(connection)
            else:
                connection.disconnect()
                self.connection_pool.release(connection)
        return reply


def _see_to(connection: Any) -> None:
    """One that Redis has closed meanwhile, or that holds what nobody asked for, will connect anew."""
    try:
        is_of_use = not connection.can_read()
    except redis.RedisError:
        is_of_use = False
    if not is_of_use:
        connection.disconnect()
