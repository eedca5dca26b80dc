"""The private redis-server of one replica: starts and stops the server, and waits for its end. If a server still runs
at the start of the replica, this module adopts it.

The server listens only on a unix socket, in a folder that only its owner may enter. The server syncs each write to the
disk before it answers.

The server starts with setsid, so Ctrl-C in a terminal reaches only the replica. The replica then stops the server. If a
replica is killed, its redis-server keeps running on purpose. The next start adopts that server, loses nothing, and need
not load the data. `stop_left_behind` stops a redis-server that no replica will adopt.

A lock on the file `redis.pid` shows whether the server runs. The server inherits the lock, and the kernel releases the
lock when the server ends. So the replica never mistakes another process for its redis-server, even if that process has
the same process id. This module knows processes and files. It does not know the namespace.
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
import threading
import time
from pathlib import Path
from typing import Any

import redis

from bayou.errors import Away, Conflict
from storage.redis import aof
from storage.redis.binary import find_binary
from storage.redis.lock import lock_file, lock_folder, write_record
from storage.redis.sources import CLIENT_OPTIONS, Source, StartHooks, no_retry

SOCKET_BYTES_MAX = 103  # 107 on Linux; macOS allows four fewer
LOAD_TIMEOUT_S = 600
ANSWER_TIMEOUT_S = 15
STOP_TIMEOUT_S = 8
EXIT_TIMEOUT_S = 0.5  # from the close of its connections, at the end of a process, to the end of its lock
POLL_S = 0.01
LUA_TIME_LIMIT_MS = 5000  # after this time, SCRIPT KILL can end a script
LOG_BYTES_MAX = 1024 * 1024

_log = logging.getLogger(__name__)


class EmbeddedRedis(Source):
    """The redis-server of one folder. Implements Source. Call `start` first. The server cannot be started again after
    `stop`."""

    name = "the embedded Redis"
    durable = True
    sections = ("server",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.socket = self.folder / "redis.sock"
        self._record = self.folder / "redis.pid"  # locked while the server runs
        self._changing = threading.Lock()
        self._is_stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._lua_time_limit_ms = 0

    def start(self, hooks: StartHooks) -> list[str]:
        """Adopt the server that runs here, or start one on the data of the folder. Returns warnings.

        Raises Away if the server cannot run, Conflict `redis_older` if no installed server can open the data, and
        Conflict `aof_damaged` if the data cannot be repaired.
        """
        with self._changing:
            return [] if self._is_stopped else self._start(hooks)

    def _start(self, hooks: StartHooks) -> list[str]:
        deadline, killed = time.monotonic() + ANSWER_TIMEOUT_S, ""
        while (descriptor := lock_file(self._record)) is None:
            if self._adopt():
                return []
            if time.monotonic() > deadline:
                silent = f"The redis-server of {self.folder} (process {self._pid}) did not answer"
                if killed:
                    raise Away("storage_away", f"{silent}, and could not be killed. End this process.")
                killed = f"{silent}, so it was killed."
                self.kill()
                deadline = time.monotonic() + ANSWER_TIMEOUT_S
            time.sleep(POLL_S)
        try:
            return [*([killed] if killed else []), *self._launch(descriptor, hooks)]
        finally:
            os.close(descriptor)

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), retry=no_retry(), **CLIENT_OPTIONS | options)

    def await_change(self, suspect: threading.Event) -> None:
        """Block until the server has ended."""
        del suspect
        if self._process is not None:
            self._process.wait()
            return
        with self._record.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def stop(self) -> None:
        """Ask the server to end. If the server still runs after STOP_TIMEOUT_S, kill it. No acknowledged write is
        lost."""
        with self._changing:
            self._is_stopped = True
            self._stop()

    def _stop(self) -> None:
        if not self._record.exists():
            return  # the folder was deleted, and the server was killed
        deadline = time.monotonic() + STOP_TIMEOUT_S
        client = self.client(socket_timeout=STOP_TIMEOUT_S)
        with contextlib.suppress(redis.RedisError, OSError):
            client.shutdown(nosave=True)  # returns when it has ended or refused, or at the timeout
        client.close()
        for number, until in ((signal.SIGTERM, time.monotonic() + EXIT_TIMEOUT_S), (signal.SIGKILL, deadline)):
            if self._has_ended(until - time.monotonic()):
                break
            if number == signal.SIGKILL:
                _log.warning("The redis-server of %s does not end, so it is killed.", self.folder)
            with contextlib.suppress(ProcessLookupError):
                if self._process is not None:
                    self._process.send_signal(number)
                elif self._pid:
                    # The lock on redis.pid is held, so the pid still belongs to our server.
                    os.kill(self._pid, number)
        # The exit status of an adopted server is not known.
        if self._has_ended(STOP_TIMEOUT_S) and self._process is not None and self._process.wait() == 0:
            aof.note_end(self.folder)
        if self.socket.parent != self.folder:
            with contextlib.suppress(OSError):
                self.socket.unlink(missing_ok=True)
                self.socket.parent.rmdir()

    def kill(self) -> bool:
        """Kill the server. No acknowledged write is lost. The next start gives the server a `lua-time-limit`, so that a
        script can be ended."""
        self._lua_time_limit_ms = LUA_TIME_LIMIT_MS
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        return True

    def stop_if_alive(self) -> bool:
        """Stop the server that runs here, even if another process started it. Returns False if no server runs."""
        if self._has_ended(0):
            return False
        self._read_record()
        self.stop()
        return True

    def _info(self) -> dict[str, Any] | None:
        """Return the reply to INFO; None if the server cannot be reached."""
        client = self.client(decode_responses=True)
        try:
            return dict(client.info())
        except (redis.RedisError, OSError):
            return None
        finally:
            client.close()

    def _has_ended(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while (descriptor := lock_file(self._record)) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        os.close(descriptor)
        return True

    def _adopt(self) -> bool:
        """Use the server that runs on this folder already. Returns False if the server does not answer, for example
        because it is about to end."""
        self._read_record()
        info = self._info_when_loaded()
        if info is None:
            return False
        client = self.client(decode_responses=True)
        try:
            # One by one, because Redis 6.2 takes a single name.
            settings = {
                name: value
                for wanted in ("dir", "appendonly", "appendfsync")
                for name, value in client.config_get(wanted).items()
            }
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            return False
        finally:
            client.close()
        needed = {"dir": str(self.folder), "appendonly": "yes", "appendfsync": "always"}
        if settings != needed:
            raise Conflict(
                "foreign_redis",
                f"The Redis at {self.socket} has the settings {settings}, but the data in {self.folder} needs {needed}."
                " Stop this Redis, and start the replica again.",
            )
        self._pid = int(info["process_id"])
        if self._process and self._process.pid != self._pid:
            self._process = None
        return True

    def _read_record(self) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads(self._record.read_text(encoding="utf-8"))
            self.socket, self._pid = Path(record["socket"]), int(record["pid"])

    def _launch(self, descriptor: int, hooks: StartHooks) -> list[str]:
        binary = find_binary(self.folder, hooks.noted_version)
        repaired = aof.repair(self.folder, binary.path, hooks.before_repair)
        hooks.before_start(binary.version)
        # A rewrite that was killed leaves an unfinished file, which Redis never reads again.
        for unfinished in self.folder.glob("temp-rewriteaof-*.aof"):
            unfinished.unlink()
        self.socket = _socket_path(self.folder)
        configuration = self.folder / "redis.conf"
        configuration.write_text(_configuration(self.folder, self.socket, self._lua_time_limit_ms), encoding="utf-8")
        log = self.folder / "redis.log"
        too_long = log.exists() and log.stat().st_size > LOG_BYTES_MAX
        write_record(descriptor, {"pid": 0, "socket": str(self.socket)})
        with log.open("wb" if too_long else "ab") as output:
            self._process = subprocess.Popen(
                [binary.path, configuration],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"LC_ALL": "C"},
                cwd=self.folder,
                start_new_session=True,
                restore_signals=False,  # at a limit on file size, a write fails as on a full disk, without SIGXFSZ
                pass_fds=(descriptor,),
            )
        self._pid = self._process.pid
        write_record(descriptor, {"pid": self._pid, "socket": str(self.socket)})
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
        raise Away("storage_away", f"The embedded Redis did not start. See the end of {log}:\n" + "\n".join(last))

    def _info_when_loaded(self) -> dict[str, Any] | None:
        deadline = time.monotonic() + LOAD_TIMEOUT_S
        while (info := self._info()) and info["loading"]:
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_S)
        return info


def stop_left_behind(folder: Path) -> bool:
    """Stop the redis-server that a killed replica left running in `folder` (data/LABEL). Returns False if no server
    runs there.

    Call it before the data of a cluster is deleted. Raises Conflict `already_running` if the replica runs.
    """
    if not (folder / "redis.pid").exists():
        return False
    lock = lock_folder(folder, "stops the Redis that was left behind")
    try:
        return EmbeddedRedis(folder).stop_if_alive()
    finally:
        lock.release()


def _socket_path(folder: Path) -> Path:
    """Return the path of the socket in `folder`. If that path is too long for a socket, return a path in a private
    temporary folder whose name contains a hash of `folder`."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_BYTES_MAX:
        return path
    name = f"bayou-{os.getuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    # The temporary folder of the user may have a long path as well.
    paths = [Path(root) / name / "redis.sock" for root in (tempfile.gettempdir(), "/tmp")]
    path = min(paths, key=lambda path: len(os.fsencode(path)) > SOCKET_BYTES_MAX)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # Others may write in the temporary folder, so a folder with our name need not be ours.
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Conflict(
            "foreign_socket",
            f"The path of the data folder is too long for the socket of Redis. The socket would go into {path.parent}"
            f" instead, but {path.parent} is not a private folder of this user. Remove {path.parent}, or choose a data"
            " folder with a shorter path.",
        )
    return path


def _configuration(folder: Path, socket: Path, lua_time_limit_ms: int) -> str:
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
        "lua-time-limit": str(lua_time_limit_ms),  # above 0, Lua counts instructions, which costs 5 %
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(path: Path) -> str:
    """Return the path quoted for the configuration file. Every byte that is not printable ASCII is escaped."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return '"' + "".join(plain) + '"'
