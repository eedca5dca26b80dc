"""Measures the transfer of a large full state to a new replica. The transfer is interrupted twice.

    python -m bench.full_state [RESERVATIONS]        by default 100,000

There are two real replicas, each with its own Redis. The first replica, the source, holds the reservations. Its whole
log is truncated. The second replica, the receiver, has accepted a few reservations from clients.

There are three attempts. The link goes down during the first attempt. `kill -9` ends the receiver during the second
attempt. The third attempt completes. Meanwhile, a thread reads the receiver's calendar.

The exit status is 0 if all these conditions are true, else 1:

- The thread has read the calendar at least 10 times.
- Before the transfer was complete, the thread saw no reservation of the source. After that, it saw all of them.
- The reservations from clients of the receiver are committed.
- Both replicas hold the same writes and show the same calendar.
- Each replica used at most 256 MiB. This is the peak that Linux reports for the process of the replica, without Redis.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import redis

from apps import APPLICATIONS
from apps.rooms import drafts
from apps.rooms.schema import ReserveBody
from bayou.payloads import Item, Selection
from bayou.write import Write
from cluster.local import write_configuration
from cluster.processes import Processes
from cluster.rest import Refused, Rest, Silent
from cluster.waiting import wait_until
from replica.membership.identity import mark
from storage.keys import Namespace
from storage.redis.connect import open_storage
from storage.store import Store

RESERVATIONS = 100_000
MEMORY_MIB_MAX = 256
ROOMS = [f"{floor}.{number:02}" for floor in range(1, 11) for number in range(1, 11)]
HOURS = 10  # of a day, from 8:00
FIRST_DAY = datetime(2026, 12, 1, tzinfo=UTC)
BATCH = 500
WAIT_S = 100.0
OWN = 5  # reservations of the receiver
SETTINGS = {
    "rooms": ROOMS,
    "anti_entropy": {"interval_s": 1, "after_write": True},
    "log": {"keep_committed": 0, "keep_for_days": 0},
}


@dataclass
class Result:
    """The figures of a run. `wrong` lists the conditions that are false."""

    reservations: int
    cuts: list[int] = field(default_factory=list)  # pages that the receiver had staged at each cut
    transfer_s: float = 0.0
    memory_mib: dict[str, float] = field(default_factory=dict)  # peak of each process
    reads: int = 0
    seen: list[int] = field(default_factory=list)  # counts of others' reservations, one for each change
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"{self.reservations} reservations; interrupted after {' and '.join(map(str, self.cuts))} pages"
        yield f"whole transfer after the last interruption: {self.transfer_s:.1f} s"
        yield f"{self.reads} reads at the receiver saw these counts of others' reservations: {self.seen}"
        for label, peak in self.memory_mib.items():
            yield f"peak memory of {label}: {peak:.0f} MiB"
        yield from (f"WRONG: {problem}" for problem in self.wrong)


def run(folder: Path, reservations: int) -> Result:
    """Run the whole measurement in this folder."""
    result = Result(reservations)
    processes = Processes(write_configuration(folder, ("source", "new"), SETTINGS))
    with contextlib.ExitStack() as undo:
        undo.callback(processes.stop)
        processes.start("source")
        processes.wait_until_serving("source")
        processes.stop("source")
        _fill(processes, reservations)
        processes.start("source")
        processes.wait_until_serving("source")
        source, new = processes.rest("source"), processes.rest("new")
        wait_until(lambda: source.get("/replica")["committed"] == 0, WAIT_S, "the log is truncated")
        source.put("/replica/links/new", {"up": False})
        processes.start("new")
        processes.wait_until_serving("new")
        for number in range(OWN):
            new.post("/reservations", _own(number), user="vish")
        reader = undo.enter_context(_Reader(new))
        _transfer(processes, result)
        reader.look()
        result.reads, result.seen = reader.reads, reader.seen
        _judge(processes, result)
    return result


def _fill(processes: Processes, reservations: int) -> None:
    """Store the reservations in the source's Redis as committed writes, as if another replica had sent them."""
    opened = open_storage("embedded", processes.settings.data, "source")
    try:
        assert opened.identity_file is not None
        opened.confirm(opened.identity_file)  # so that the mark of this change counts at the next start
        store = Store(opened.client, "source", APPLICATIONS)
        for selection in _selections(reservations):
            rest = selection
            while rest.items:
                rest = rest.after(store.receive(rest, "desk").taken)
    finally:
        opened.close(clean=True, mark=mark(store))


def _selections(reservations: int) -> Iterator[Selection]:
    """Yield batches of writes from a replica `desk`. Each write reserves a free hour of a room."""
    prev, items = 0, []
    for number in range(reservations):
        row, room = divmod(number, len(ROOMS))
        day, hour = divmod(row, HOURS)
        start = FIRST_DAY + timedelta(days=day, hours=8 + hour)
        slot = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
        body = ReserveBody.model_validate({"room": ROOMS[room], "slots": [slot], "purpose": "Seminar"})
        asking = drafts.DraftContext("desk", f"seminar-{number}", FIRST_DAY, ZoneInfo("UTC"), ROOMS)
        draft = drafts.reserve(asking, body)
        stamp = 1_700_000_000_000_000 + number
        members = {name: getattr(draft, name) for name in draft.__slots__}
        write = Write(stamp=stamp, prev=prev, origin="desk~aaaaaa", **members)
        items.append(Item(write.id, None, write.encode()))
        prev = stamp
        if len(items) == BATCH:
            yield Selection(0, "", tuple(items))
            items = []
    yield Selection(0, "", tuple(items))


def _own(number: int) -> dict[str, object]:
    """Return the body of a client's request to the receiver. The request is for one hour in ROOMS[0]. This hour is
    earlier than all reservations of the source."""
    start = FIRST_DAY + timedelta(hours=number)
    slot = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
    return {"room": ROOMS[0], "slots": [slot], "request": f"own-{number}"}


def _transfer(processes: Processes, result: Result) -> None:
    """Interrupt the transfer twice, then let it complete, and measure it."""
    source = processes.rest("source")
    third = result.reservations // 3

    source.put("/replica/links/new", {"up": True})
    wait_until(lambda: _staged(processes, 1) > third, WAIT_S, "a third of the full state has arrived")
    source.put("/replica/links/new", {"up": False})
    result.cuts.append(_staged(processes, 1))
    _note_memory(processes, result)
    source.put("/replica/links/new", {"up": True})
    wait_until(lambda: _staged(processes, 2) > third, WAIT_S, "another third of the full state has arrived")
    processes.kill("new")
    result.cuts.append(_staged(processes, 2))
    processes.start("new")
    processes.wait_until_serving("new")
    began = time.monotonic()
    csn = result.reservations + OWN
    wait_until(
        lambda: _replica(processes.rest("new"))["csn"] == csn, WAIT_S, "all writes are committed at the receiver"
    )
    result.transfer_s = time.monotonic() - began
    _note_memory(processes, result)


def _replica(rest: Rest) -> dict[str, object]:
    with contextlib.suppress(Silent):
        found: dict[str, object] = rest.get("/replica")
        return found
    return {"csn": None}


def _staged(processes: Processes, attempt: int) -> int:
    """Return the number of pages that this attempt has staged in the receiver's Redis."""
    with redis.Redis(unix_socket_path=str(processes.settings.data / "new" / "redis.sock")) as client:
        found: int = client.zcard(Namespace("new", str(attempt)).changed)
        return found


def _note_memory(processes: Processes, result: Result) -> None:
    for label in processes.labels:
        status = Path(f"/proc/{processes.pid(label)}/status").read_text(encoding="utf-8")
        peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        result.memory_mib[label] = max(result.memory_mib.get(label, 0), peak_kib / 1024)


def _judge(processes: Processes, result: Result) -> None:
    source, new = processes.rest("source"), processes.rest("new")
    expected = _in_room(result.reservations)
    if result.seen != [0, expected]:
        result.wrong.append(f"the reader should have seen 0, then {expected}")
    if result.reads < 10:
        result.wrong.append("the reader made fewer than 10 reads")
    for number in range(OWN):
        state = new.get(f"/reservations/vish/own-{number}")["state"]
        if state != "committed":
            result.wrong.append(f"own-{number} is {state}")
    held = [rest.get("/replica") for rest in (source, new)]
    if held[0]["vectors"]["V"] != held[1]["vectors"]["V"] or held[0]["csn"] != held[1]["csn"]:
        result.wrong.append("the replicas have different writes")
    calendars = [_calendar(rest) for rest in (source, new)]
    if calendars[0] != calendars[1]:
        result.wrong.append("the replicas show different calendars")
    for label, peak in result.memory_mib.items():
        if peak > MEMORY_MIB_MAX:
            result.wrong.append(f"{label} took {peak:.0f} MiB; at most {MEMORY_MIB_MAX} are allowed")


def _calendar(rest: Rest) -> list[dict[str, object]]:
    """Get the calendar of ROOMS[0] for 62 days, the longest time that one request may cover."""
    until = FIRST_DAY + timedelta(days=62)
    query = {"from": FIRST_DAY.isoformat(), "to": until.isoformat()}
    found: list[dict[str, object]] = rest.get(f"/rooms/{ROOMS[0]}/calendar", **query)["reservations"]
    return found


def _in_room(reservations: int) -> int:
    """Return how many of the source's reservations are in the calendar that `_calendar` gets. `reservations` is the
    number of the source's reservations in all rooms."""
    return min((reservations + len(ROOMS) - 1) // len(ROOMS), 62 * HOURS)


class _Reader:
    """A thread that reads the receiver's calendar again and again during a `with` block. Each time, the thread counts
    the source's reservations in the calendar. The thread appends the count to `seen` if the count has changed, or if a
    reservation of the receiver is missing."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")
        self.reads = 0
        self.seen: list[int] = []

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        entries = _calendar(self._rest)
        others = sum(entry["user"] == "desk" for entry in entries)
        if not self.seen or self.seen[-1] != others or len(entries) != others + OWN:
            self.seen.append(others)
        self.reads += 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(Silent, Refused):  # it is killed once, and started again
                self.look()
            self._stopping.wait(0.02)


def main(arguments: list[str]) -> int:
    reservations = int(arguments[0]) if arguments else RESERVATIONS
    with tempfile.TemporaryDirectory(prefix="bayou-full-state-") as folder:
        result = run(Path(folder), reservations)
    for line in result.lines():
        print(line)
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
