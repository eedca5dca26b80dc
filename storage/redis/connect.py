"""Opens the storage of a replica: locks its folder, starts or reaches its Redis, and watches that Redis.

Every new connection is checked: it must reach the Redis process that the replica has confirmed. After a restart or a
failover, Redis counts as unreachable until the callback `on_restart` has checked its data. Otherwise a replica could
continue to write under an id whose last writes were lost. This module knows only the prefix of the namespace's keys.
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
from urllib.parse import urlsplit

import redis

from bayou.errors import Away, BadInput
from storage.identity_file import Decision, Findings, IdentityFile, decide, load, place_of, renew_place, save
from storage.keys import Namespace
from storage.redis.embedded import EmbeddedRedis
from storage.redis.failover import FORMS, SCHEMES, FailoverSource, read_url
from storage.redis.lock import FolderLock, lock_folder
from storage.redis.sources import AddressedSource, MemorySource, Source, StartHooks, identity_in

BLOCKING_TIMEOUT_S = 60.0
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 30.0
SERVED_S = 3.0  # a Redis that has served for so long is brought back at once when it ends
RETRY_AFTER_S = 1
# Errors of Redis that pass, at the start of a reply or, from within a script, after a minus sign.
PASSING = re.compile(r"(?:^|-)(OOM|MISCONF|READONLY|BUSY|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|EMPTIED)\b")

AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.AskError,  # and MOVED: the slot of the namespace moves to another node, or has moved
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
)

OnRestart = Callable[[redis.Redis], object]

_log = logging.getLogger(__name__)


def open_storage(url: str, data: Path, label: str, on_restart: OnRestart = lambda _client: None) -> OpenStorage:
    """Open the storage of replica `label` in the folder `data`/`label`. `url` is the setting `redis` of the
    configuration.

    `on_restart` is called to check the data of a Redis that was restarted or replaced; see OpenStorage.

    Raises Conflict `already_running` if the replica runs already, BadInput if `url` is invalid, Away if Redis cannot be
    reached or started, and Conflict if the Redis or its data must not be used. After an error the lock is released, and
    a Redis that was started here is stopped.
    """
    try:
        check_setting(url)
    except ValueError as reason:
        raise BadInput("bad_input", f"redis: {reason}.", field="redis") from None
    folder = data / label
    lock = lock_folder(folder, f"serves replica {label}")
    try:
        source: Source
        if url == "memory":
            source = MemorySource()
        elif url == "embedded":
            source = EmbeddedRedis(folder)
        elif _has_failover(url):
            source = FailoverSource(url, Namespace(label).prefix)
        else:
            source = AddressedSource(url)
        return OpenStorage(source, folder, lock, on_restart)
    except BaseException:
        lock.release()
        raise


def check_setting(value: str) -> str:
    """Check a value of the setting `redis`, and return the same value. Raises ValueError if the value is not valid."""
    if value in {"embedded", "memory"}:
        return value
    if _has_failover(value):
        read_url(value)
        return value
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.path) if parts.scheme == "unix" else parts.hostname is not None and parts.port != 0
        redis.ConnectionPool.from_url(value)  # raises ValueError for another scheme or an invalid option
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(
            "the value must be embedded, memory, or a URL: redis://HOST:PORT/0, rediss://HOST:PORT/0, unix:///PATH,"
            f" {FORMS}"
        )
    return value


def _has_failover(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def away_of(error: redis.RedisError) -> Away | None:
    """Return a refusal if `error` means that Redis is not available now. Return None for any other error, because any
    other error is a mistake of this program."""
    if isinstance(error, AWAY) or PASSING.search(str(error)):
        message = (
            f"The replica cannot reach its storage ({error}). It is not certain whether the request was recorded. Try"
            " again in a few seconds, with the same request id if there is one."
        )
        return Away("storage_away", message, retry_after_s=RETRY_AFTER_S)
    return None


class OpenStorage:
    """The storage of one replica. It holds the lock of the folder until `close`.

    client          the client for normal calls: it takes and returns bytes, does not retry, and times out after 10 s
    warnings        sentences for the operator; a restart may add some
    run_id          the identity of the Redis that runs now; it changes with a restart
    redis_version   the version of the Redis that runs now
    durable         whether Redis is embedded, and therefore runs with `appendfsync always`
    identity_file   the content of the identity file; None if there is no file

    When Redis was restarted or replaced, a thread calls `on_restart` with a client that can reach the new Redis. All
    other clients are refused until `on_restart` returns. If `on_restart` raises an error, it is called again after a
    pause.
    """

    def __init__(self, source: Source, folder: Path, lock: FolderLock, on_restart: OnRestart) -> None:
        self._source = source
        self._folder = folder
        self._lock = lock
        self._closing = threading.Event()
        self._suspect = threading.Event()
        self._amending = threading.Lock()
        self.identity_file = load(folder)
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

    def blocking_client(self) -> redis.Redis:
        """Return a client with its own connections, for blocking reads of up to half a minute. The caller must close
        it."""
        return self._connect(socket_timeout=BLOCKING_TIMEOUT_S)

    def is_silent(self, wait_s: float) -> bool:
        """Return whether Redis leaves a request without an answer for `wait_s`.

        The result is False if Redis refuses the connection, because requests to that Redis fail at once and do not
        wait.
        """
        client = self._connect(socket_timeout=wait_s, socket_connect_timeout=wait_s)
        try:
            client.ping()
        except redis.RedisError as error:
            return isinstance(error, redis.TimeoutError)
        finally:
            client.close()
        return False

    def is_folder_there(self) -> bool:
        """Return whether the folder is still there. If the folder is gone, no later start can read what Redis writes
        now."""
        return self._lock.is_there()

    def end_script(self, wait_s: float) -> str | None:
        """End the script that runs in Redis. Returns None if no script runs any more. Otherwise returns the reason why
        the script could not be ended.

        Redis ends a script only if the script has changed nothing and has run for `lua-time-limit`. `wait_s` is how
        long Redis may take to answer.
        """
        client = self._source.client(socket_timeout=wait_s, socket_connect_timeout=wait_s)
        try:
            client.script_kill()
        except redis.TimeoutError:
            return f"Redis does not answer within {wait_s:g} s"
        except redis.ConnectionError:
            return None
        except redis.RedisError as error:
            return None if "NOTBUSY" in str(error) or "No scripts in execution" in str(error) else str(error)
        finally:
            client.close()
        return None

    def kill(self) -> bool:
        """Kill the embedded Redis. Redis then starts again with a `lua-time-limit`, so `end_script` works from then on.
        Returns False if this program did not start Redis."""
        return self._source.kill()

    def decide(
        self, namespace_id: str | None, mark: str, *, restored: bool = False, is_whole: bool | None = None
    ) -> Decision:
        """Decide whether the replica may go on writing under its id; see `identity_file.decide`."""
        known = self.identity_file
        found = Findings(
            namespace_id=namespace_id,
            run_id=self.run_id,
            mark=mark,
            durable=self.durable,
            restored=restored,
            is_here=known is None or known.place in {"", place_of(self._folder)},
            is_whole=is_whole,
        )
        return decide(known, found)

    def confirm(self, identity: IdentityFile) -> None:
        """Write `identity` to the identity file, with the run id and the version of the Redis that runs now. This
        confirms that the id is valid with this Redis.

        Call it at each start and in `on_restart`, before any write is accepted under the id.
        """
        with self._amending:
            self.identity_file = replace(
                identity,
                redis_run_id=self.run_id,
                redis_version=self.redis_version,
                clean=False,
                mark="",
                repaired=False,
                place="",
            )
            save(self._folder, self.identity_file)  # first without the place: a crash now must not make it look moved
            self.identity_file = replace(self.identity_file, place=renew_place(self._folder))
            save(self._folder, self.identity_file)

    def amend(self, **changes: Any) -> None:
        """Store `changes`, the new values of some fields, in the identity file. Keep all other fields. Unlike
        `confirm`, this method does not confirm that the id is valid with the Redis that runs now."""
        with self._amending:
            assert self.identity_file is not None, "there is no identity file yet"
            self.identity_file = replace(self.identity_file, **changes)
            save(self._folder, self.identity_file)

    def close(self, clean: bool, mark: str = "") -> None:
        """Stop the embedded Redis, close the client and release the lock. A second call does nothing.

        `clean` means that the replica stopped normally. Then `mark` is a text that describes the content of the
        namespace. Two different states must have different texts.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._suspect.set()
        try:
            try:
                self._source.stop()
            finally:
                self.client.close()  # only now: a thread that waits for a reply gets an error of Redis first
            self._keeper.join(BACKOFF_MAX_S)
            known = self.identity_file
            if clean and known and not known.repaired and self._confirmed == known.redis_run_id:
                self.amend(clean=True, mark=mark)
        finally:
            self._lock.release()

    def _start(self) -> None:
        noted_version = self.identity_file.redis_version if self.identity_file else ""
        warnings = self._source.start(StartHooks(noted_version, self._before_start, self._before_repair))
        self.warnings += [warning for warning in warnings if warning not in self.warnings]

    def _before_start(self, version: str) -> None:
        """Record the version of Redis before that Redis uses the data. Redis may change the layout of the data and then
        crash."""
        if self.identity_file and self.identity_file.redis_version != version:
            self.amend(redis_version=version)

    def _before_repair(self) -> None:
        """Record the repair before it begins. So the decision about the replica's id takes the repair into account,
        even if this program crashes during the repair."""
        if self.identity_file:
            self.amend(repaired=True, clean=False, mark="")

    def _connect(self, run_id: str | None = None, **options: Any) -> redis.Redis:
        """Return a client that accepts a new connection only if it reaches the Redis with this `run_id`. If `run_id` is
        None, the connection must reach the Redis that is confirmed at that moment."""

        def check(connection: Any) -> None:
            connection.on_connect()
            info = b""
            for section in self._source.sections:
                connection.send_command("INFO", section)
                info += connection.read_response(disable_decoding=True)
            if identity_in(info.decode()) != (run_id or self._confirmed):
                self._suspect.set()
                raise redis.ConnectionError("Redis was restarted, and its data is being checked")

        return self._source.client(redis_connect_func=check, **options)

    def _keep(self) -> None:
        """Whenever Redis ends or is replaced, start it again or connect to it again, and check its data. Runs in a
        thread until `close`."""
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
                    self._check()
                    break
                except Exception as reason:
                    # Whatever has failed, the storage is away until this succeeds.
                    if not self._closing.is_set():
                        _log.warning("The storage of the data folder %s cannot be used: %s", self._folder, reason)
            if self._closing.is_set():
                return
            since = time.monotonic()

    def _check(self) -> None:
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
