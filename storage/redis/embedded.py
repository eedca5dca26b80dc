"""The private redis-server of one replica: start it or adopt the one that still lives, wait for its end,
stop it.

It listens on a unix socket only, in a folder that its owner alone may enter, and fsyncs each write before it is
answered.

It runs in its own session, so that Ctrl-C in a terminal reaches the replica first. A replica that is killed leaves it
running on purpose: the next start adopts it, with nothing lost and nothing loaded. What nobody starts again is
stopped by `stop_left_behind`. That it lives is known from a lock on `redis.pid` which the server inherits: the kernel
drops it at the server's end, however that comes, so no pid is ever mistaken. It knows processes and files, and
nothing of the namespace.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bayou.errors import Away, Conflict
from storage.redis import aof
from storage.redis.binary import find_binary
from storage.redis.lock import hold

SOCKET_BYTES_MAX = 103  # 107 on Linux; macOS allows four fewer
LOAD_TIMEOUT_S = 600
ANSWER_TIMEOUT_S = 15
STOP_TIMEOUT_S = 8
EXIT_TIMEOUT_S = 0.5  # from the close of its connections, at the end of a process, to the end of its lock
POLL_S = 0.01
LOG_BYTES_MAX = 1024 * 1024

_log = logging.getLogger(__name__)

# RESP2 wherever we connect: answers have one shape with every server. No retries: the store knows what is safe to run
# twice.
CLIENT_OPTIONS: dict[str, Any] = {
    "protocol": 2,
    "driver_info": None,
    "socket_connect_timeout": 5.0,
    "socket_timeout": 10.0,
}


def no_retry() -> Retry:
    """For a client that tries once."""
    return Retry(NoBackoff(), 0)


class EmbeddedRedis:
    """The redis-server of one folder. `start` before anything else; one thread at a time may start or stop it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.socket = self.folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def start(
        self, noted_version: str, before_start: Callable[[str], None], before_repair: Callable[[], None]
    ) -> list[str]:
        """Adopt the server that lives here, or start one over the data that is here. Returns warnings.

        `noted_version` is the newest that has had the data; without a binary that can open it, Conflict `redis_older`.
        `before_start(version)` and `before_repair()` are called before the data is touched. Raises Away when it
        cannot run.
        """
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while (descriptor := self._lock()) is None:
            if self._adopt():
                return []
            if time.monotonic() > deadline:
                raise Away(
                    "storage_away",
                    f"The redis-server of {self.folder} (process {self._pid}) does not answer. Stop that process.",
                )
            time.sleep(POLL_S)
        try:
            return self._launch(descriptor, noted_version, before_start, before_repair)
        finally:
            os.close(descriptor)

    def wait_for_end(self) -> None:
        """Block until the server has ended."""
        if self._process is not None:
            self._process.wait()
            return
        with (self.folder / "redis.pid").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def stop(self) -> None:
        """Have it write out what it holds and end. One that has not by STOP_TIMEOUT_S is killed, which loses nothing
        that was acknowledged."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        client = self._client(socket_timeout=STOP_TIMEOUT_S)
        with contextlib.suppress(redis.RedisError, OSError):
            client.shutdown(nosave=True)  # returns when it has ended, or refused, or not answered in time
        client.close()
        for number, until in ((signal.SIGTERM, time.monotonic() + EXIT_TIMEOUT_S), (signal.SIGKILL, deadline)):
            if self._gone(until - time.monotonic()):
                break
            if number == signal.SIGKILL:
                _log.warning("The redis-server of %s does not end, and is killed.", self.folder)
            with contextlib.suppress(ProcessLookupError):
                if self._process is not None:
                    self._process.send_signal(number)
                elif self._pid:
                    # The lock on redis.pid is held, so the pid is still that of our server.
                    os.kill(self._pid, number)
        # Of one that was adopted nobody knows how it ended.
        if self._gone(STOP_TIMEOUT_S) and self._process is not None and self._process.wait() == 0:
            aof.note_end(self.folder)
        if self.socket.parent != self.folder:
            with contextlib.suppress(OSError):
                self.socket.unlink(missing_ok=True)
                self.socket.parent.rmdir()

    def stop_if_alive(self) -> bool:
        """Stop the server that lives here without having started it; False if there is none."""
        if self._gone(0):
            return False
        self._read_record()
        self.stop()
        return True

    def _client(self, **options: Any) -> redis.Redis:
        options = {"decode_responses": True, "retry": no_retry(), **CLIENT_OPTIONS, **options}
        return redis.Redis(unix_socket_path=str(self.socket), **options)

    def _info(self) -> dict[str, Any] | None:
        """What the server says of itself, None when it cannot be reached."""
        client = self._client()
        try:
            return dict(client.info())
        except (redis.RedisError, OSError):
            return None
        finally:
            client.close()

    def _lock(self) -> int | None:
        """An open `redis.pid`, locked; None while a server lives."""
        descriptor = os.open(self.folder / "redis.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while (descriptor := self._lock()) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        os.close(descriptor)
        return True

    def _adopt(self) -> bool:
        """Take over the server that lives here; False if it does not answer (it may just be ending)."""
        self._read_record()
        info = self._info_when_loaded()
        if info is None:
            return False
        client = self._client()
        try:
            # One by one: Redis 6.2 takes a single name.
            kept = {
                name: value
                for asked in ("dir", "appendonly", "appendfsync")
                for name, value in client.config_get(asked).items()
            }
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            return False
        finally:
            client.close()
        if kept != {"dir": str(self.folder), "appendonly": "yes", "appendfsync": "always"}:
            raise Conflict(
                "foreign_redis", f"The Redis at {self.socket} is not the one of {self.folder}: it has {kept}. Stop it."
            )
        self._pid = int(info["process_id"])
        if self._process and self._process.pid != self._pid:
            self._process = None
        return True

    def _read_record(self) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads((self.folder / "redis.pid").read_text(encoding="utf-8"))
            self.socket, self._pid = Path(record["socket"]), int(record["pid"])

    def _launch(
        self,
        descriptor: int,
        noted_version: str,
        before_start: Callable[[str], None],
        before_repair: Callable[[], None],
    ) -> list[str]:
        binary = find_binary(self.folder, noted_version)
        repaired = aof.repair(self.folder, binary.path, before_repair)
        before_start(binary.version)
        # A rewrite that was killed leaves its unfinished file, and Redis never looks at it again.
        for unfinished in self.folder.glob("temp-rewriteaof-*.aof"):
            unfinished.unlink()
        self.socket = _socket_path(self.folder)
        configuration = self.folder / "redis.conf"
        configuration.write_text(_configuration(self.folder, self.socket), encoding="utf-8")
        log = self.folder / "redis.log"
        too_long = log.exists() and log.stat().st_size > LOG_BYTES_MAX
        _record(descriptor, self.socket, 0)
        with log.open("wb" if too_long else "ab") as output:
            self._process = subprocess.Popen(
                [binary.path, configuration],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"LC_ALL": "C"},
                cwd=self.folder,
                start_new_session=True,
                restore_signals=False,  # at its limit of a file's size, the write fails as on a full disk: no SIGXFSZ
                pass_fds=(descriptor,),
            )
        self._pid = self._process.pid
        _record(descriptor, self.socket, self._pid)
        self._await_answer(self._process, log)
        return [*binary.skipped, *([repaired] if repaired else [])]

    def _await_answer(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if self._info_when_loaded():
                return
            time.sleep(POLL_S)
        process.kill()
        process.wait()
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        raise Away("storage_away", f"The embedded Redis did not start. The end of {log}:\n" + "\n".join(last))

    def _info_when_loaded(self) -> dict[str, Any] | None:
        deadline = time.monotonic() + LOAD_TIMEOUT_S
        while (info := self._info()) and info["loading"]:
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_S)
        return info


def stop_left_behind(folder: Path) -> bool:
    """Stop the redis-server that a killed replica left in `folder` (data/LABEL); False if none lives there.

    For whoever ends a cluster, before its data is deleted. Raises Conflict `already_running` while the replica runs.
    """
    if not (folder / "redis.pid").exists():
        return False
    held = hold(folder, "stops the Redis that was left behind")
    try:
        return EmbeddedRedis(folder).stop_if_alive()
    finally:
        held.release()


def _socket_path(folder: Path) -> Path:
    """The socket in `folder`, or where its path is too long for a socket, in a private folder named by a hash of it."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_BYTES_MAX:
        return path
    name = f"bayou-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    # A temp folder of the user's may have a long path of its own.
    places = [Path(root) / name / "redis.sock" for root in (tempfile.gettempdir(), "/tmp")]
    path = min(places, key=lambda place: len(os.fsencode(place)) > SOCKET_BYTES_MAX)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # Others may write in the temp folder: what stands there under our name need not be ours.
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Conflict(
            "foreign_socket", f"{path.parent} is not a private folder of this user. Remove it, or use shorter paths."
        )
    return path


def _configuration(folder: Path, socket: Path) -> str:
    lines = {
        "port": "0",
        "unixsocket": _quoted(socket),
        "unixsocketperm": "700",
        "dir": _quoted(folder),
        "databases": "1",
        "daemonize": "no",
        "logfile": '""',
        "save": '""',
        "appendonly": "yes",
        "appendfilename": f'"{aof.SINGLE}"',
        "appendfsync": "always",
        "aof-load-truncated": "no",
        "auto-aof-rewrite-percentage": "100",
        "auto-aof-rewrite-min-size": "64mb",
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": "512",
        "lua-time-limit": "0",  # else Lua counts its instructions, to answer others with BUSY, which takes a twentieth
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(path: Path) -> str:
    """As the configuration file's grammar wants it; every byte that is not plain is escaped."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return '"' + "".join(plain) + '"'


def _record(descriptor: int, socket: Path, pid: int) -> None:
    text = json.dumps({"pid": pid, "socket": str(socket)}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)
