"""`cluster.py lesson`: lists the scenarios with their claims, or plays one in the simulation as a series of pictures.

On a terminal it waits for Enter after each step. Otherwise it prints all steps at once.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from termcolor import colored

from cluster.drivers.driver import Driver
from cluster.language.runner import Runner
from cluster.language.world import Server
from cluster.lessons.catalogue import COMMENT, Lesson, NoLesson, Step, find_lesson, lessons
from cluster.lessons.picture import Column, Entry, changes, columns, entry, legend, link_line
from cluster.run import simulation
from cluster.waiting import on_stop, raise_stopped

WRONG = 2
WIDTH_MAX = 120
HARD_BLANK = "\u2007"  # textwrap breaks lines only at blanks of ASCII
CLEAR = "\x1b[H\x1b[2J\x1b[3J"
RESULTS = {  # word in a result -> colour; the first word that is found counts
    "ERR_": "red", "refused": "red", "rejected": "red", "FALSE": "yellow", "tentative": "yellow", "TRUE": "green",
    "committed": "green",
}  # fmt: skip


def lesson(name: str | None) -> int:
    """Play a lesson, or list all lessons if `name` is None.

    Return 0 on success, 1 if an `expect` of the script failed, and 2 if there is no such lesson. Raise Stopped if the
    user stops the program.
    """
    if name is None:
        _list()
        return 0
    try:
        found = find_lesson(name)
    except NoLesson as problem:
        print(problem, file=sys.stderr)
        return WRONG
    on_stop(raise_stopped)
    with simulation() as driver:
        return _Player(found, driver).play()


class _Player:
    """Plays one lesson on a driver of its own. It keeps the last log of each server, to show what each step has
    changed."""

    def __init__(self, played: Lesson, driver: Driver) -> None:
        self._lesson = played
        self._runner = Runner(driver, self._result, self._aside)
        self._before: dict[str, tuple[Entry, ...]] = {}
        self._output: list[str] = []  # of the current command
        self._stops = sys.stdin.isatty() and sys.stdout.isatty()
        self._width = min(shutil.get_terminal_size((100, 24)).columns, WIDTH_MAX)

    def play(self) -> int:
        for number, step in enumerate(self._lesson.steps, 1):
            self._head(number)
            self._step(step)
            if self._stops:
                last = number == len(self._lesson.steps)
                input(colored("⏎ Enter: " + ("the end " if last else "go on "), attrs=["dark"]))
        return int(self._runner.failures > 0)

    def _head(self, number: int) -> None:
        step = colored(f"step {number} of {len(self._lesson.steps)}", attrs=["underline"])
        if not self._stops and number > 1:
            print(f"\n{step}")
            return
        if self._stops:
            print(CLEAR, end="")
        print(colored(f" {self._lesson.name} ", attrs=["reverse", "bold"]), end=" ")
        print(colored(self._lesson.source, attrs=["dark"]), step, sep="   ")
        self._say(self._lesson.claim, bold=True)
        print(f"{legend()}\n")

    def _step(self, step: Step) -> None:
        if step.narration:
            self._say(step.narration, bold=False)
            print()
        silent: list[str] = []  # commands without output share lines
        for line in step.lines:
            self._output = []
            self._runner.step(line)
            if line.strip() and not line.strip().startswith(COMMENT):
                silent.append(line.strip())
            if self._output:
                self._commands(silent[:-1])
                self._commands(silent[-1:])
                print("\n".join(self._output))
                silent = []
        self._commands(silent)
        self._picture()

    def _commands(self, commands: Sequence[str]) -> None:
        prompt = colored("❯", "cyan", attrs=["bold"])
        whole = "   ".join(command.replace(" ", HARD_BLANK) for command in commands)
        for line in textwrap.wrap(whole, self._width - 2):
            print(prompt, colored(line.replace(HARD_BLANK, " "), attrs=["bold"]))

    def _picture(self) -> None:
        world = self._runner.world
        shown = [self._column(server) for server in world.servers.values()]
        paused = colored("   ‖ anti-entropy is paused", "magenta", attrs=["bold"]) if self._runner.is_paused else ""
        print(f"\n{link_line(world)}{paused}")
        for line in columns(shown, self._width):
            print(line)

    def _column(self, server: Server) -> Column:
        clients = tuple(client.id for client in self._runner.world.clients.values() if client.server == server.id)
        if not server.running:
            return Column(server.id, False, False, 0, clients, (), {})
        replica = self._runner.describe(server)
        log = tuple(found for write in self._runner.log(server) if (found := entry(write)) is not None)
        changed = changes(self._before.get(server.id, ()), log)
        self._before[server.id] = log
        return Column(server.id, True, replica["primary"]["here"], replica["csn"], clients, log, changed)

    def _say(self, text: str, *, bold: bool) -> None:
        for line in textwrap.wrap(text, self._width):
            print(colored(line, attrs=["bold"]) if bold else line)

    def _result(self, line: str) -> None:
        color = next((color for word, color in RESULTS.items() if word in line), None)
        self._output.append(f"    {colored(line, color) if color else line}")

    def _aside(self, text: str) -> None:
        for line in textwrap.wrap(f"‼ {text.partition(': ')[2]}", self._width - 4):
            self._output.append(colored(f"    {line}", "magenta"))


def _list() -> None:
    for found in lessons():
        print(colored(found.name, attrs=["bold"]))
        print(textwrap.indent(textwrap.fill(f"{found.claim} {colored(found.source, attrs=['dark'])}", 96), "    "))
    print("\npython cluster.py lesson NAME plays one.")
