"""peers: compares this project with PouchDB in the same run. The first line compares the speed of an anti-entropy
session with the speed of a PouchDB replication. The second line compares the rate of clients' reservations with the
rate of PUT requests to PouchDB. Each PUT request stores one document.

PouchDB is another store that accepts writes at every replica. It keeps revisions of each document and leaves conflicts
to its clients. Its server keeps the documents in LevelDB, and does not wait for the disk. npm has to install PouchDB
into a temporary folder, so this row is measured only on request.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bayou.payloads import Item
from bench.load import Connection, get, post, put
from bench.measure import Size, in_turn, report, seconds_of
from bench.rows.accept import rate_at, reservations
from bench.rows.anti_entropy import transferred
from bench.table import Row, at_least
from bench.workload import BATCH, undisputed
from bench.workspace import WithLog, Workspace
from replica.config import Address

ROUNDS = 5
WRITES = 20_000
SOURCES = Path(__file__).parent.parent / "pouchdb"


def measure(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(WRITES, 10)
    items, wanted, names = undisputed(count, "peer~aaaaaa"), reservations(), itertools.count()
    puts = (put(f"/single/{number}", _document(item)) for number, item in enumerate(itertools.cycle(items)))
    program = _installed(workspace.new_folder())
    with (
        workspace.replicas_of(WithLog, {"one": count, "two": 0}, {}) as processes,
        workspace.replicas({"one": 0}) as single,
        _server(program, workspace.new_folder()) as source,
        _server(program, workspace.new_folder()) as target,
    ):
        _load(source, items)
        _create(target, "single")
        ours, theirs, accepted, put_singly = in_turn(
            size.rounds(ROUNDS),
            lambda: transferred(processes, count),
            lambda: count / _replication_s(source, target, f"copy-{next(names)}", count),
            rate_at(single.settings.replica("one").rest, wanted, size),
            rate_at(target, puts, size),
        )
    return [
        at_least("peers", "writes/s of a session, beside a replication of PouchDB", (ours, theirs), 4.5, "≥ 4.5 ×"),
        at_least(
            "peers", "reservations/s of clients, beside single puts of PouchDB", (accepted, put_singly), 1.2, "≥ 1.2 ×"
        ),
    ]


def _installed(folder: Path) -> Path:
    """Install a PouchDB server and its packages into this folder. Return the path of the server's program."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise FileNotFoundError(
            "The row `peers` needs the programs node and npm. Install Node.js 20 or later. Or measure without this row:"
            " make bench"
        )
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    report("  npm installs PouchDB")
    quiet = "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"
    subprocess.run([npm, "install", *quiet], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "server.js"


@contextlib.contextmanager
def _server(program: Path, folder: Path) -> Iterator[Address]:
    """Run a PouchDB server with the databases of a folder, and yield its address."""
    process = subprocess.Popen(["node", program, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Address("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def _document(item: Item) -> dict[str, object]:
    """Return the fields of a write, as a document for PouchDB."""
    return dict(json.loads(item.body))


def _create(server: Address, database: str) -> None:
    with contextlib.closing(Connection(server)) as connection:
        connection.ask(put(f"/{database}", {}))


def _load(server: Address, items: Sequence[Item]) -> None:
    _create(server, "source")
    with contextlib.closing(Connection(server)) as connection:
        for first in range(0, len(items), BATCH):
            documents = [{"_id": item.id, **_document(item)} for item in items[first : first + BATCH]]
            connection.ask(post("/source/_bulk_docs", {"docs": documents}))


def _replication_s(source: Address, target: Address, database: str, count: int) -> float:
    """Let `target` pull all documents of `source` into a new database. Return how long this takes, in seconds. Each
    batch has BATCH documents."""
    wanted = {"source": f"http://{source}/source", "target": database, "batch_size": BATCH}
    with contextlib.closing(Connection(target)) as connection:
        seconds = seconds_of(lambda: connection.ask(post("/_replicate", wanted)))
        found = connection.ask(get(f"/{database}"))["doc_count"]
    assert found == count, f"{found} of {count} have arrived"
    return seconds
