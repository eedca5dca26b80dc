"""The driver of real processes: each server has an embedded Redis of its own and answers REST requests.

The servers start no session by themselves. The runner decides which two servers have a session, and the session uses
gRPC. So a script always runs in the same way. Each server reads its clock from a file that the driver writes
(replica/clock.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster.drivers.driver import Failed, Holding, Pair
from cluster.drivers.fork_server import ForkServer, is_running
from cluster.local import write_configuration
from cluster.rest import Answer, Request, send
from cluster.waiting import TooLong, wait_until
from replica.clock import CLOCK_VARIABLE
from replica.config import load
from replica.events.frame_ring import FRAMES_VARIABLE, RECORDED
from replica.free_addresses import free_addresses

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 60.0
SESSION_TIMEOUT_S = 20.0  # for a session with a server that does not answer yet
END_TIMEOUT_S = 10.0
SESSIONS_AT_ONCE = 4
AWAY = 503
UNKNOWN = 404


@contextlib.contextmanager
def process_driver(*, records_frames: bool = False) -> Iterator[ProcessDriver]:
    """Yield a driver that works in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bayou-run-", ignore_cleanup_errors=True) as folder:
        driver = ProcessDriver(Path(folder), {FRAMES_VARIABLE: RECORDED} if records_frames else {})
        try:
            yield driver
        finally:
            driver.close()


class ProcessDriver:
    """Implements cluster.drivers.driver.Driver. `folder` holds all files of the servers. `environment` has variables
    that are added to the environment of each server."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._configuration = folder / "config.yaml"
        self._fork_server = ForkServer()
        self._threads = ThreadPoolExecutor(SESSIONS_AT_ONCE)
        self._addresses: dict[str, list[str]] = {}  # label -> REST, anti-entropy
        self._processes: dict[str, int] = {}  # label -> process id, of those that run
        self._holdings: dict[str, Holding] = {}  # what servers answered, until a request may change it

    def start_primary(self, label: str) -> None:
        try:
            self._start_alone(label)
        except Failed:  # another process may have taken a port since it was found free
            self._start_alone(label)

    def _start_alone(self, label: str) -> None:
        # Only this server is in the configuration of the cluster; all others are created.
        settings = {"cluster": "script", "rooms": [], "anti_entropy": {"interval_s": 0, "after_write": False}}
        write_configuration(self._folder, [label], settings)
        replica = load(self._configuration).replica(label)
        self._addresses[label] = [str(replica.rest), str(replica.anti_entropy)]
        self._start(label)

    def create(self, label: str, creator: str) -> None:
        rest, anti_entropy = self._addresses[label] = list(free_addresses(2))
        through = self._addresses[creator][1]
        self._holdings.pop(creator, None)
        joining = ("--join", through, "--rest", rest, "--anti-entropy", anti_entropy)
        try:
            self._start(label, *joining)
        except Failed:  # on a busy machine the first session may fail; the second start resumes it
            self._start(label, *joining)

    def retire(self, label: str, heir: str) -> None:
        holder = self._do(label, Request("POST", "/replica/retire", {"hand_over_to": heir}))["held_by"]
        self._holdings.clear()
        pid = self._processes[label]
        if holder is None:
            raise Failed(f"{label} has retired, but no other server has received its writes; use restoreConnection")
        self._await(lambda: not is_running(pid), END_TIMEOUT_S, f"{label} has ended")
        del self._processes[label]

    def promote(self, label: str, primary: str | None) -> None:
        self._do(label, Request("POST", "/replica/promote", {"force": primary is None, "although_it_answers": True}))
        self._holdings.clear()

    def crash(self, label: str) -> None:
        """Kill the server and its Redis, as a power cut would. Redis is a process of its own, so it has to be killed
        too."""
        pid = self._processes.pop(label)
        os.kill(pid, signal.SIGKILL)
        self._await(lambda: not is_running(pid), END_TIMEOUT_S, f"{label} has ended")
        with contextlib.suppress(OSError, ValueError):
            record = json.loads((self._data(label) / "redis.pid").read_text(encoding="utf-8"))
            os.kill(int(record["pid"]), signal.SIGKILL)

    def recover(self, label: str) -> None:
        self._start(label)

    def copy_folder(self, label: str) -> None:
        shutil.rmtree(self._copy(label), ignore_errors=True)
        shutil.copytree(self._data(label), self._copy(label), ignore=_sockets)

    def put_back(self, label: str) -> None:
        if label in self._processes:
            self.crash(label)
        shutil.rmtree(self._data(label))
        shutil.copytree(self._copy(label), self._data(label))
        self._holdings.clear()
        self._start(label)

    def set_clock(self, label: str, moment_us: int) -> None:
        file = self._clock(label)
        unfinished = file.with_suffix(".new")
        unfinished.write_text(str(moment_us), encoding="ascii")
        unfinished.replace(file)

    def send(self, label: str, request: Request) -> Answer:
        if request.method != "GET":
            self._holdings.pop(label, None)
        try:
            return send(self._addresses[label][0], request, ANSWER_TIMEOUT_S)
        except OSError as error:
            raise Failed(f"{label} does not answer: {error}") from None

    def holding(self, label: str) -> Holding:
        if label not in self._holdings:
            replica = self._do(label, Request("GET", "/replica"))
            vector = {server: int(stamp) for server, stamp in replica["vectors"]["V"].items()}
            self._holdings[label] = Holding(replica["id"], vector, replica["csn"], json.dumps(replica["epoch"]))
        return self._holdings[label]

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        for pair in pairs:
            for label in pair:
                self._holdings.pop(label, None)
        problems = zip(pairs, self._threads.map(self._session, pairs), strict=True)
        return {pair: problem for pair, problem in problems if problem is not None}

    def close(self) -> None:
        for label in list(self._processes):
            self.crash(label)
        self._fork_server.close()
        self._threads.shutdown()

    def _do(self, label: str, request: Request) -> Any:
        """Send a request and return the body of the answer. Raise Failed if the server refuses."""
        answer = self.send(label, request)
        if answer.is_refusal:
            raise Failed(f"{answer.message} [{answer.code}]")
        return answer.body

    def _session(self, pair: Pair) -> str | None:
        """Run one complete session. Return None, or the reason why the session failed. If a server does not answer yet,
        try again for up to SESSION_TIMEOUT_S."""
        answer = self._sync(*pair)
        if answer.status == UNKNOWN:  # one of the two may not know the other yet
            answer = self._sync(*reversed(pair))
        if answer.status == AWAY:
            with contextlib.suppress(TooLong):
                wait_until(lambda: self._sync(*pair).status != AWAY, SESSION_TIMEOUT_S, "the peer answers")
            answer = self._sync(*pair)
        return answer.message if answer.is_refusal else None

    def _sync(self, caller: str, answerer: str) -> Answer:
        return self.send(caller, Request("POST", f"/replica/sync/{answerer}"))

    def _start(self, label: str, *options: str) -> None:
        """Start a server. Return when it answers."""
        output = self._folder / f"{label}.out"
        arguments = [label, "--config", str(self._configuration), *options]
        environment = {**self._environment, CLOCK_VARIABLE: str(self._clock(label))}
        pid = self._fork_server.start(arguments, output, environment)
        self._processes[label] = pid
        self._holdings.pop(label, None)
        try:
            self._await(lambda: not is_running(pid) or self._answers(label), START_TIMEOUT_S, f"{label} answers")
        except Failed:
            self.crash(label)
            raise
        if not is_running(pid):
            del self._processes[label]
            said = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Failed(f"{label} does not start: {' '.join(said[-3:])}")

    def _answers(self, label: str) -> bool:
        try:
            return send(self._addresses[label][0], Request("GET", "/replica"), ANSWER_TIMEOUT_S).status == 200
        except OSError:
            return False

    def _await(self, state: Callable[[], bool], bound_s: float, awaited: str) -> None:
        try:
            wait_until(state, bound_s, awaited)
        except TooLong as problem:
            raise Failed(str(problem)) from None

    def _clock(self, label: str) -> Path:
        return self._folder / f"{label}.clock"

    def _data(self, label: str) -> Path:
        return self._folder / "data" / label

    def _copy(self, label: str) -> Path:
        return self._folder / "copies" / label


def _sockets(folder: str, names: list[str]) -> list[str]:
    """Return the names of the sockets among the files of a folder. Sockets cannot be copied."""
    return [name for name in names if (Path(folder) / name).is_socket()]
