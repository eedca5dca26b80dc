"""From the configuration's `redis:` to an open storage: the lock, the Redis behind it, and what is known of its state.

Every connection is checked when it is made: it must reach the very Redis process (`run_id`) that the replica has
confirmed. A Redis that was restarted or failed over is refused, as if it were away, until `on_restart` has looked at
what it holds; otherwise a replica could write on under an id whose tail was lost. It knows Redis, and nothing of
the keys but their prefix.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from bayou.errors import Away, BadInput
from storage.identity_file import Birth, Identity, decide_identity, load, save
from storage.keys import Namespace
from storage.redis.failover import FORMS, SCHEMES, Followed
from storage.redis.lock import Held, hold
from storage.redis.sources import Addressed, Embedded, Memory, Source, identity_in

ADDRESSES = ("redis://", "rediss://", "unix://")
BLOCKING_TIMEOUT_S = 60.0
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 30.0
SERVED_S = 3.0  # who has served for so long is brought back without delay when it ends again
RETRY_AFTER_S = 1
# Errors of Redis that pass, as they stand at the start of an answer or, from within a script, after a minus sign.
PASSING = re.compile(r"(?:^|-)(OOM|MISCONF|READONLY|BUSY|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|EMPTIED)\b")

AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.AskError,  # and MOVED: the slot of the namespace goes to another node, or has gone
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
)

OnRestart = Callable[[redis.Redis], object]

_log = logging.getLogger(__name__)


def open_storage(url: str, data: Path, label: str, on_restart: OnRestart = lambda _client: None) -> Opened:
    """Open the storage of replica `label`, whose folder is `data`/`label`; `url` is as in the configuration.

    `on_restart` looks at what a Redis holds that was restarted or replaced; see Opened.

    Raises Conflict `already_running` if the replica runs already, BadInput for a `url` that is none, Away where no
    Redis can be reached or started, and Conflict where the Redis or its data must not be used. Nothing is left held
    or running then.
    """
    followed = url.partition("://")[0] in SCHEMES
    if url not in {"embedded", "memory"} and not url.startswith(ADDRESSES) and not followed:
        message = f"redis: {url!r} is none of embedded, memory, redis://…, rediss://…, unix://…, {FORMS}."
        raise BadInput("bad_input", message, field="redis")
    folder = data / label
    held = hold(folder, f"serves replica {label}")
    try:
        if url == "memory":
            return Opened(Memory(), folder, held, on_restart)
        if followed:
            return Opened(Followed(url, Namespace(label).prefix), folder, held, on_restart)
        return Opened(Embedded(folder) if url == "embedded" else Addressed(url), folder, held, on_restart)
    except BaseException:
        held.release()
        raise


def away_of(error: redis.RedisError) -> Away | None:
    """The refusal to answer with when Redis could not serve; None when the error is a mistake of ours."""
    if isinstance(error, AWAY) or PASSING.search(str(error)):
        message = f"The storage cannot be reached now ({error}). Nothing is known to be recorded; try again shortly."
        return Away("storage_away", message, retry_after_s=RETRY_AFTER_S)
    return None


class Opened:
    """An open storage. It holds the lock of its folder until `close`.

    client       for normal calls; bytes in, bytes out; tries once, and waits ten seconds at most.
    warnings     sentences for the operator; more may come with a restart.
    run_id       of the Redis process now; a new one when Redis is restarted.
    redis_version of Redis now.
    repaired     the append-only file lost its torn end since `remember` was last called.
    durable      embedded, so with `appendfsync always`.
    birth        the birth file: as found, then as remembered.

    `on_restart` is called in a thread of its own when Redis was restarted or replaced, with a client that alone can
    reach it: all others are refused until the callback has returned. It is called again later if it raises.
    """

    def __init__(self, source: Source, folder: Path, held: Held, on_restart: OnRestart) -> None:
        self._source = source
        self._folder = folder
        self._held = held
        self._closing = threading.Event()
        self._suspect = threading.Event()
        self._amending = threading.Lock()
        self.birth = load(folder)
        self.repaired = self.birth is not None and self.birth.repaired
        self._on_restart = on_restart
        self.warnings: list[str] = []
        self.durable = source.durable
        self._start()
        try:
            self.run_id, self.redis_version = source.identify()
        except BaseException:
            source.stop()
            raise
        self._confirmed = self.run_id
        self.client = self._connect()
        self._keeper = threading.Thread(target=self._keep, name=f"storage of {folder.name}", daemon=True)
        self._keeper.start()

    def another(self) -> redis.Redis:
        """A client with connections of its own, for blocking reads of up to half a minute. Close it after use."""
        return self._connect(socket_timeout=BLOCKING_TIMEOUT_S)

    def is_silent(self, wait_s: float) -> bool:
        """Whether Redis does not answer for so long. One that refuses the connection is away instead: nobody waits for
        its answers."""
        client = self._connect(socket_timeout=wait_s, socket_connect_timeout=wait_s)
        try:
            client.ping()
        except redis.RedisError as error:
            return isinstance(error, redis.TimeoutError)
        finally:
            client.close()
        return False

    def identity(self, namespace_id: str | None, mark: str, *, restored: bool = False) -> Identity:
        """Whether the replica may write on under its id (see `birth.decide_identity`)."""
        return decide_identity(
            self.birth,
            namespace_id,
            run_id=self.run_id,
            mark=mark,
            repaired=self.repaired,
            durable=self.durable,
            restored=restored,
        )

    def remember(self, birth: Birth) -> None:
        """Write the birth file: this id holds, with the Redis of now, from now on. To be called before anything is
        accepted under the id, at each start and in `on_restart`."""
        with self._amending:
            self.birth = replace(
                birth,
                redis_run_id=self.run_id,
                redis_version=self.redis_version,
                clean=False,
                mark="",
                repaired=False,
            )
            save(self._folder, self.birth)
            self.repaired = False

    def amend(self, **changes: Any) -> None:
        """Change members of the birth file, and confirm nothing: what is known of Redis stays as it was."""
        with self._amending:
            assert self.birth is not None, "there is no birth file yet"
            self.birth = replace(self.birth, **changes)
            save(self._folder, self.birth)

    def close(self, clean: bool, mark: str = "") -> None:
        """Stop the embedded Redis, close the client, let go of the lock; harmless when done already.

        `clean`: the replica stopped in order, and what the namespace then held is `mark` (any text that two different
        states do not share, such as its CSN and the last stamp of its own).
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._suspect.set()
        try:
            try:
                self._source.stop()
            finally:
                self.client.close()  # only now: whoever still waits for an answer hears that the storage is away
            self._keeper.join(BACKOFF_MAX_S)
            if clean and self.birth and not self.birth.repaired and self._confirmed == self.birth.redis_run_id:
                self.amend(clean=True, mark=mark)
        finally:
            self._held.release()

    def _start(self) -> None:
        had = self.birth.redis_version if self.birth else ""
        said = self._source.start(had, self._before_start, self._before_repair)
        self.warnings += [warning for warning in said if warning not in self.warnings]

    def _before_start(self, version: str) -> None:
        """The newer version is noted before its binary touches the data, for it may change the layout and then
        crash."""
        if self.birth and self.birth.redis_version != version:
            self.amend(redis_version=version)

    def _before_repair(self) -> None:
        """Noted before the repair: a crash between it and the decision on the id must not hide that there was one."""
        self.repaired = True
        if self.birth:
            self.amend(repaired=True, clean=False, mark="")

    def _connect(self, run_id: str | None = None, **options: Any) -> redis.Redis:
        """A client that reaches only the Redis process `run_id`; by default, the one that is confirmed at the time."""

        def greet(connection: Any) -> None:
            connection.on_connect()
            said = b""
            for section in self._source.sections:
                connection.send_command("INFO", section)
                said += connection.read_response(disable_decoding=True)
            if identity_in(said.decode()) != (run_id or self._confirmed):
                self._suspect.set()
                raise redis.ConnectionError("Redis was restarted; what it holds is being checked")

        return self._source.client(redis_connect_func=greet, **options)

    def _keep(self) -> None:
        """Bring Redis back whenever it ends, and have what it holds checked, until `close`."""
        backoff_s, since = BACKOFF_FIRST_S, time.monotonic()
        while True:
            self._source.await_change(self._suspect)
            if time.monotonic() - since > SERVED_S:
                backoff_s = BACKOFF_FIRST_S
            while not self._closing.wait(backoff_s):
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
                self._suspect.clear()
                try:
                    self._start()
                    self._confirm()
                    break
                except Exception as reason:
                    # Whatever failed, the storage is away until it succeeds.
                    if not self._closing.is_set():
                        _log.warning("The storage in %s is away: %s", self._folder, reason)
            if self._closing.is_set():
                return
            since = time.monotonic()

    def _confirm(self) -> None:
        run_id, version = self._source.identify()
        if run_id == self._confirmed:
            return
        self.run_id, self.redis_version = run_id, version
        client = self._connect(run_id)
        try:
            self._on_restart(client)
        finally:
            client.close()
        self._confirmed = run_id
