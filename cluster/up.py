"""`cluster.py up` and `cluster.py class`: run all replicas of a configuration in one terminal."""

from __future__ import annotations

import os
import re
import sys
import threading
import webbrowser
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from termcolor import can_colorize, colored

from bayou.errors import Conflict
from cluster.classroom import begin_class
from cluster.control import Control
from cluster.fresh import delete_data
from cluster.processes import NotServing, Processes
from cluster.rest import Refused, Silent
from cluster.waiting import Stopped, TooLong
from replica.config import CONTROL_VARIABLE, ConfigError
from replica.events.console import Console
from replica.signals import Stopping

# A console line begins with the time and already contains the label.
TIME = re.compile(r"(\x1b\[[0-9;]*m)*\d\d:\d\d:\d\d\b")
ACT_S_MAX = 60.0
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")  # without any of these, a browser would take over the terminal


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that the replica `label` has printed. `text` is None at the end of the replica's output."""

    label: str
    text: str | None


@dataclass(frozen=True, slots=True)
class _Act:
    """An action that the user requests on the cluster page or in the terminal; see Control in cluster/control.py.
    `done` gets an exception if the action is refused."""

    name: str
    label: str | None
    done: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Said:
    """A text for the terminal."""

    text: str


def up(configuration: Path, *, in_class: bool = False) -> int:
    """Run the replicas until the user stops them or all of them have ended. Return 1 if a replica ended by itself, else
    0. Raise ConfigError if the configuration is invalid.

    With `in_class`, prepare the replicas for teaching. When all replicas know the primary, set manual pace, and open
    the cluster page in a browser. The user may start over on this page, which deletes the data of the replicas.
    """
    return _Up(configuration, in_class=in_class).run()


class _Up:
    """The replicas of one configuration. Only the thread that calls `run` handles events and prints."""

    def __init__(self, configuration: Path, *, in_class: bool) -> None:
        self._in_class = in_class
        self._events: SimpleQueue[_Line | _Act | _Said | None] = SimpleQueue()
        self._stopping = Stopping()
        self._class_is_over = threading.Event()  # of the present class: starting over begins another one
        self._stopper: threading.Thread | None = None
        color = can_colorize()
        self._processes = Processes(configuration, lambda *line: self._events.put(_Line(*line)), color=color)
        self._labels = self._processes.labels
        self._names = Console("", self._labels, self._processes.settings.timezone, print, color).name
        self._control = Control(self._processes.settings, self._ask, self._show_page, resets=in_class)
        self._processes.environment[CONTROL_VARIABLE] = str(self._control.address)
        self._running: set[str] = set()
        self._crashed: set[str] = set()
        self._ends_expected: list[str] = []  # labels of processes that were ended on request
        self._is_page_open = False
        self._status = 0

    def run(self) -> int:
        threading.Thread(target=self._announce_stop, name="signals", daemon=True).start()
        if self._in_class and sys.stdin is not None:
            threading.Thread(target=self._read_commands, name="commands", daemon=True).start()
        names = ", ".join(map(self._names, self._labels))
        print(f"Starting the replicas {names} of {self._processes.configuration}. Ctrl-C stops the replicas.")
        if not self._in_class:
            print(f"The cluster page, to crash and restart replicas: {self._control.page_address}")
        try:
            self._start()
            while self._running or self._crashed:
                self._take(self._events.get())
        finally:
            self._class_is_over.set()
            self._control.close()
            if self._stopper is not None:
                self._stopper.join()
            self._processes.stop()
        return self._status

    def _start(self) -> None:
        self._processes.start()
        self._running = set(self._labels)
        if self._in_class:
            self._class_is_over = threading.Event()
            threading.Thread(target=self._begin_class, args=[self._class_is_over], name="class", daemon=True).start()

    def _take(self, event: _Line | _Act | _Said | None) -> None:
        match event:
            case None:
                self._class_is_over.set()
                self._crashed.clear()
                if self._stopper is None:
                    self._stopper = threading.Thread(target=self._processes.stop)
                    self._stopper.start()
            case _Said():
                print(event.text)
            case _Act():
                self._do(event)
            case _Line(label, str(text)):
                print(_aligned(text, self._names(label)))
            case _Line(label):
                self._note_end(label)

    def _note_end(self, label: str) -> None:
        if label in self._ends_expected:
            self._ends_expected.remove(label)
            return
        self._running.discard(label)
        if self._stopper is None:
            self._status = 1
            count = len(self._running)
            others = f"{count} of {len(self._labels)} are still running" if count else "none is left"
            ending = f"ended by itself with status {self._processes.status(label)}; {others}."
            print(_aligned(colored(ending, "red"), self._names(label)))

    def _do(self, act: _Act) -> None:
        if self._stopper is not None:
            act.done.set_exception(Conflict("stopping", "cluster.py is stopping. Start it again."))
            return
        if act.label is None:
            act.done.set_result(None)  # nobody need wait
            self._reset()
            return
        if act.name == "crash" and act.label in self._running:
            self._end(act.label)
            print(_aligned("crashed, as the cluster page asked", self._names(act.label)))
        elif act.name == "restart" and act.label not in self._running:
            self._processes.start(act.label)
            self._crashed.discard(act.label)
            self._running.add(act.label)
        act.done.set_result(None)

    def _end(self, label: str) -> None:
        self._ends_expected.append(label)
        self._processes.kill(label)
        self._running.remove(label)
        self._crashed.add(label)

    def _reset(self) -> None:
        print("Starting over.")
        self._class_is_over.set()
        for label in list(self._running):
            self._end(label)
        self._processes.stop()  # the Redis servers
        try:
            delete_data(self._processes.configuration)
        except (ConfigError, Conflict) as problem:
            print(problem)
        self._crashed.clear()
        self._start()

    # In other threads.

    def _announce_stop(self) -> None:
        self._stopping.wait()
        self._events.put(None)

    def _read_commands(self) -> None:
        """Read the lines that the user types. Start over after each line `reset`."""
        with open(sys.stdin.fileno(), closefd=False, encoding="utf-8", errors="replace") as typed:
            for line in typed:
                if line.strip() == "reset":
                    self._events.put(_Act("reset", None))

    def _ask(self, name: str, label: str | None) -> None:
        act = _Act(name, label)
        self._events.put(act)
        try:
            act.done.result(ACT_S_MAX)
        except TimeoutError:
            raise Conflict("busy", "cluster.py is still busy with an earlier request. Try again.") from None

    def _show_page(self) -> None:
        self._events.put(_Said(f"To control the replicas from another web page, open {self._control.page_address}"))

    def _begin_class(self, is_over: threading.Event) -> None:
        """Prepare the replicas for a class, print that the class can begin, and open the cluster page. Return early,
        without a message, once `is_over` is set."""
        try:
            begin_class(self._processes, is_over)
        except Stopped:
            return
        except (NotServing, TooLong, Refused, Silent) as problem:
            if not is_over.is_set():
                self._events.put(_Said(f"The class cannot begin: {problem}"))
            return
        if is_over.is_set():
            return
        self._events.put(
            _Said("The class can begin. The replicas send and commit nothing by themselves. To start over, type reset.")
        )
        address = self._control.page_address
        self._events.put(_Said(f"The cluster page: {address}"))
        has_screen = sys.platform in {"darwin", "win32"} or any(name in os.environ for name in SCREENS)
        if has_screen and not self._is_page_open:
            self._is_page_open = True
            webbrowser.open(address)


def _aligned(line: str, name: str) -> str:
    """Return a line of output in three columns: time, label, text. A line that begins with a time has these columns
    already."""
    if TIME.match(line):
        return line
    return f"{'':8} {name}  {line.removeprefix(f'{name} ')}"
