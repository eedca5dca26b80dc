"""`cluster.py lesson`: plays a script step by step in the simulation, or lists all lessons.

The screen shows the output of each step, and then a picture of all servers.

On a terminal, one key shows the next step, and another key shows the previous step. Without a terminal, all steps are
printed at once.
"""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bayou.application import MEMBERSHIP
from bayou.frames import Frame
from cluster import screens
from cluster.diagram.recorder import Recorder
from cluster.drivers.driver import Driver
from cluster.language.parser import COMMENT, Complaint
from cluster.language.printing import short_time, stamp_text
from cluster.language.record_commands import read_file
from cluster.language.runner import Runner
from cluster.language.world import Server, client_of
from cluster.lessons.catalogue import Lesson, NoLesson, Step, find_lesson, lessons
from cluster.lessons.frames import Sent, frame_blocks, screenfuls
from cluster.lessons.picture import (
    WRITES_MAX,
    Column,
    Entry,
    changes,
    columns,
    entry,
    legend,
    link_line,
    newest_changed,
)
from cluster.run import simulation
from cluster.waiting import on_stop, raise_stopped
from replica.events.marks import MARKS, paint

WRONG = 2
HARD_BLANK = "\u2007"  # textwrap breaks lines only at blanks of ASCII
SHOWING = {"printLog", "calendar", "read", "conflicts"}  # commands that may have nothing to print
RESULTS = {  # word in a result -> the state that it stands for; the first word that is found counts
    "ERR_": "rejected", "refused": "rejected", "rejected": "rejected", "REJECTED": "rejected", "FALSE": "tentative",
    "tentative": "tentative", "TRUE": "committed", "committed": "committed",
}  # fmt: skip


def lesson(name: str | None, *, with_frames: bool = False) -> int:
    """Play the lesson `name`, or the script in the file `name`. If `name` is None, list all lessons. With
    `with_frames`, also show the frames that the servers sent in each step.

    Return 0 on success, and 2 if there is no such lesson. Return 1 if an `expect` of the script failed, or if no line
    of the script was understood. Raise Stopped if the user stops the program, and OSError if the file cannot be read.
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
        player = Player(found, driver)
        if with_frames:
            driver.watch = player.note_frame
        screens.show(player.steps())
        return player.status()


class Player:
    """Plays one lesson. The player remembers the log that each server had after the previous step, and so can show what
    the next step changes."""

    def __init__(self, played: Lesson, driver: Driver) -> None:
        self._lesson = played
        self._runner = Runner(driver, self._result, self._aside)
        self._recorder = Recorder(driver)
        self._before: dict[str, tuple[Entry, ...]] = {}
        self._output: list[str] = []  # of the current command
        self._shown: list[str] = []  # of the current step
        self._frames: list[Sent] = []  # of the current step
        self._files: set[str] = set()  # that have been shown

    def steps(self) -> Iterator[str]:
        """Play the steps one after the other, and yield the screens to show. If a step uses a file of relations or
        rules for the first time, a screen with this file comes first. The next screen shows the cluster after the step.
        If `note_frame` was called during the step, screens with the frames follow."""
        for number, step in enumerate(self._lesson.steps, 1):
            yield from self._new_files(step)
            self._shown, self._frames = [], []
            self._head(number)
            self._step(step)
            self._picture()
            yield "\n".join(self._shown)
            yield from self._frame_screens(number)

    def _frame_screens(self, number: int) -> Iterator[str]:
        if not self._frames:
            return
        title = f"{paint(f' {self._lesson.name} ', attrs=['reverse', 'bold'])}   the sessions of step {number}"
        blocks = [*frame_blocks(self._frames, self._runner.world, self._runner.names, screens.width())]
        height = screens.height()
        for lines in screenfuls(blocks, height and height - 1):
            yield "\n".join([title, *lines])

    def note_frame(self, here: str, there: str, frame: Frame) -> None:
        self._frames.append((here, there, frame))

    def _new_files(self, step: Step) -> Iterator[str]:
        """Yield the text of each file of relations or rules that this step uses for the first time. Leave out
        comments."""
        for line in step.lines:
            words = line.split()
            if words[:1] not in (["define"], ["write"]) or len(words) < 3 or words[2] in self._files:
                continue
            with contextlib.suppress(Complaint):  # the command itself will say what is wrong with its file
                said = [line for line in read_file(words[2]).splitlines() if not line.startswith("#")]
                self._files.add(words[2])
                below = [textwrap.fill(line, screens.width(), subsequent_indent=" " * 11) for line in said]
                yield "\n".join([paint(f" {words[2]} ", attrs=["reverse", "bold"]), "", *below])

    def status(self) -> int:
        if self._runner.has_understood is False:
            print("no line is a command of the scenario language: is this a script?", file=sys.stderr)
            return 1
        return int(self._runner.failures > 0)

    def _head(self, number: int) -> None:
        step = paint(f"step {number} of {len(self._lesson.steps)}", attrs=["underline"])
        if number > 1 and not screens.stops():
            self._shown.append(step)
            return
        name = paint(f" {self._lesson.name} ", attrs=["reverse", "bold"])
        if number > 1:
            self._shown += [f"{name}   {step}", legend(), ""]
            return
        self._shown.append("   ".join(filter(None, [name, paint(self._lesson.source, attrs=["dark"]), step])))
        self._say(self._lesson.claim, bold=True)
        self._shown += [legend(), ""]

    def _step(self, step: Step) -> None:
        if step.narration:
            self._say(step.narration, bold=False)
            self._shown.append("")
        silent: list[str] = []  # commands without output share lines
        for line in step.lines:
            self._output = []
            self._runner.step(line)
            if line.strip() and not line.strip().startswith(COMMENT):
                silent.append(line.strip())
                if not self._output and line.split()[0] in SHOWING:
                    self._output.append(paint("    (nothing)", attrs=["dark"]))
            if self._output:
                self._commands(silent[:-1])
                self._commands(silent[-1:])
                self._shown += self._output
                silent = []
        self._commands(silent)

    def _commands(self, commands: Sequence[str]) -> None:
        prompt = paint("❯", "cyan", attrs=["bold"])
        whole = "   ".join(command.replace(" ", HARD_BLANK) for command in commands)
        for line in textwrap.wrap(whole, screens.width() - 2):
            self._shown.append(f"{prompt} {paint(line.replace(HARD_BLANK, ' '), attrs=['bold'])}")

    def _picture(self) -> None:
        """Add the replays and the picture to the screen. If the screen has more lines than the terminal, leave out
        parts in this order: blank lines and the legend, the oldest writes, the replays. Do not leave out the writes
        that this step has changed."""
        world, width, height = self._runner.world, screens.width(), screens.height()
        shown = [self._column(server) for server in world.servers.values()]
        paused = paint("   ‖ anti-entropy is paused", "magenta", attrs=["bold"]) if self._runner.is_paused else ""
        links = f"{link_line(world)}{paused}"
        replays = [*self._replays()]
        screen = [*self._shown, *replays, "", links, *columns(shown, width)]
        if height is not None and screens.lines_of(screen) > height:
            dense = [line for line in self._shown if line not in {"", legend()}]
            fewest = min(WRITES_MAX, max((newest_changed(column) for column in shown), default=0))
            sizes = [(writes, replays) for writes in range(WRITES_MAX, fewest - 1, -1)] + [(fewest, [])]
            for writes, told in sizes:
                screen = [*dense, *told, links, *columns(shown, width, writes)]
                if screens.lines_of(screen) <= height:
                    break
        self._shown = screen

    def _replays(self) -> Iterator[str]:
        """Yield the lines about the replays of this step. A replay lists the writes that the server undid, in reverse
        order. Then it lists the writes that the server played again."""
        world, recorder, before = self._runner.world, self._recorder, len(self._recorder.steps)
        recorder.note(0, "", world)
        for name, lane in (found for step in recorder.steps[before:] for found in step.lanes.items()):
            for mark in (mark for transaction in lane["transactions"] for mark in transaction["marks"]):
                if mark["what"] == "rolled_back":
                    steps = [_replay_step(step).replace(" ", HARD_BLANK) for step in mark["writes"]]
                    text = "   ".join([paint(name, attrs=["bold"]), *steps])
                    for line in textwrap.wrap(text, screens.width(), subsequent_indent="  "):
                        yield line.replace(HARD_BLANK, " ")

    def _column(self, server: Server) -> Column:
        clients = tuple(client.id for client in self._runner.world.clients.values() if client.server == server.id)
        if not server.running:
            return Column(server.id, False, False, 0, clients, (), {}, 0)
        replica = self._runner.describe(server)
        held = [entry(write) for write in self._runner.log(server)]
        log = tuple(write for write in held if write is not None)
        changed = changes(self._before.get(server.id, ()), log)
        self._before[server.id] = log
        is_primary, of_members = replica["primary"]["here"], held.count(None)
        return Column(server.id, True, is_primary, replica["csn"], clients, log, changed, of_members)

    def _say(self, text: str, *, bold: bool) -> None:
        for line in textwrap.wrap(text, screens.width()):
            self._shown.append(paint(line, attrs=["bold"]) if bold else line)

    def _result(self, line: str) -> None:
        state = next((state for word, state in RESULTS.items() if word in line), None)
        self._output.append(f"    {paint(line, MARKS[state][1]) if state else line}")

    def _aside(self, text: str) -> None:
        for line in textwrap.wrap(f"‼ {text.partition(': ')[2]}", screens.width() - 4):
            self._output.append(paint(f"    {line}", "magenta"))


def _replay_step(step: Mapping[str, Any]) -> str:
    """Return the text of one step of a replay. In a step with `after`, the server played a write again. In a step
    without `after`, the server undid a write."""
    stamp, before = stamp_text(step["stamp"]), step["before"]
    if step["op"] is None:
        write = f"the write {stamp}"  # it is no longer in the log
    else:
        whose = "" if step["app"] == MEMBERSHIP else f"{client_of(step['user'])}’s "
        write = f"{whose}{step['op']} {stamp}"
    if "after" not in step:
        return f"↶ {write}: {_replay_result(before)}"
    change = ", as before" if step["after"] == before else f" → {_replay_result(step['after'], before)}"
    csn = "" if step["csn"] is None else f", committed as number {step['csn']}"
    return f"↷ {write}: {_replay_result(before)}{change}{csn}"


def _replay_result(result: Mapping[str, Any] | None, before: Mapping[str, Any] | None = None) -> str:
    """Return the result of a write as text. For a reservation, the text has the room and the time. For any other write,
    the text has all values of the result. If `before` is a result with the same room, the text has only the time."""
    if not result:
        return "nothing"
    if "start" not in result:
        return " ".join(map(str, result.values()))
    same_room = before and before.get("room") == result["room"]
    return short_time(result) if same_room else f"{result['room']} {short_time(result)}"


def _list() -> None:
    for found in lessons():
        print(paint(found.name, attrs=["bold"]))
        claim = (
            f"{found.claim} {paint(found.source, attrs=['dark'])}" if found.claim else "(no claim in its first line)"
        )
        print(textwrap.indent(textwrap.fill(claim, 96), "    "))
    print("\n`python cluster.py lesson NAME` plays a lesson, and `python cluster.py lesson FILE` plays any script.")
