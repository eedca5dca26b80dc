"""The command line of a replica: reads the configuration, starts the replica, and stops the replica at a signal."""

from __future__ import annotations

import argparse
import gc
import logging
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from redis import RedisError

from apps.api.application import Application
from bayou.errors import Refusal
from replica.config import Config, ConfigError, load
from replica.events.console import Console
from replica.events.printer import Printer
from replica.log_limit import LogLimit
from replica.membership.join import JoinOptions, with_own_address
from replica.replica import Replica, StartOptions
from replica.signals import Stopping
from storage.members import label_of
from storage.redis.sources import shown_url

CONFIG_FILE = Path(__file__).parent.parent / "config.yaml"
EXAMPLE = """\
example:
  python server.py one            start replica one; then, in other terminals, two and three
  python server.py four --join one
                                  a new replica joins the running cluster; later, `python server.py four`
  curl -s http://127.0.0.1:8001/replica

Ctrl-C stops the replica. If the replica is killed, nothing acknowledged is lost.
"""


FILES = 4096  # open files: 1000 connections, Redis, peers
GARBAGE_OBJECTS = 20_000  # new objects before a collection; Python's default is 700


def main(arguments: Sequence[str], applications: Sequence[Application]) -> int:
    """Run a replica. Returns the exit status: 0 after an orderly stop, 1 if the replica cannot start or cannot go on, 2
    for a wrong command line."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    _raise_file_limit()
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    stopping = Stopping()
    try:
        join_options = JoinOptions(asked.join, asked.rest, asked.anti_entropy, asked.invitation)
        settings = with_own_address(load(asked.config), asked.label, join_options)
        printer = Printer(sys.stdout.write)
        console = Console(asked.label, list(settings.replicas), settings.timezone, printer)
        options = StartOptions(join_options, restored=asked.restored)
        if settings.applications is not None:
            applications = [one for one in applications if one.name in settings.applications]
        replica = Replica(settings, asked.label, applications, console, stopping.set, options)
        replica.start()
        # What start-up made stays until the end, so collections need not look at it (a reservation: 4 % less work).
        # A collection before this would cost a tenth of the start and find nothing of size.
        gc.freeze()
        gc.set_threshold(GARBAGE_OBJECTS)
        gc.enable()
    except (ConfigError, Refusal, RedisError) as error:
        print(f"{asked.label} does not start.\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"{asked.label} does not start.\n{name}{error.strerror}. Nothing acknowledged is lost.", file=sys.stderr)
        return 1
    try:
        for line in _banner(replica, settings, console):
            printer(f"{line}\n")
        stopping.wait()
        printer(f"{console.name(asked.label)} is stopping.\n")
    finally:
        replica.stop()
        printer.close()
    return 1 if replica.has_failed else 0


def _raise_file_limit() -> None:
    """Let this process open as many files as it may need. The usual limit is 1024 files, or 256 files on macOS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Run one replica of the meeting-room scheduler.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("label", metavar="LABEL", help="the replica to run")
    parser.add_argument(
        "--config",
        metavar="PATH",
        type=Path,
        default=CONFIG_FILE,
        help="the configuration (default: config.yaml beside server.py)",
    )
    joining = parser.add_argument_group("a replica that is not in the configuration")
    joining.add_argument(
        "--join",
        metavar="LABEL|HOST:PORT",
        help="at the first start: a running replica of the cluster to join, by its label in the configuration or"
        " its anti-entropy address",
    )
    joining.add_argument(
        "--rest", metavar="HOST:PORT", help="the address for clients (default: a free port, kept for later starts)"
    )
    joining.add_argument(
        "--anti-entropy",
        metavar="HOST:PORT",
        help="the address for peers (default: a free port, kept for later starts)",
    )
    joining.add_argument(
        "--invitation",
        metavar="TEXT",
        help="the text that `admin invite LABEL` printed at the replica of --join; not needed with `auth: none`",
    )
    parser.add_argument(
        "--restored", action="store_true", help="use a new server id, because the data is a restored copy"
    )
    return parser


def _banner(replica: Replica, settings: Config, console: Console) -> Iterator[str]:
    state, own = replica.store.state(), settings.replica(replica.label)
    label = label_of(state.primary, replica.store.members())
    if state.is_primary:
        primary = "this replica"
    elif label == replica.label:
        primary = console.warning(
            "none: this replica was the primary under an earlier id; promote a replica with `admin promote --force`"
        )
    else:
        primary = console.name(label or state.primary) if state.primary else "not known yet"
    rows = {
        "id": state.server,
        "REST": f"http://{own.rest}",
        "anti-entropy": str(own.anti_entropy),
        "primary": primary + (" (commits only on request)" if settings.commit == "manual" else ""),
        "storage": _storage(settings.redis_of(replica.label), settings.data / replica.label),
        "holds": f"{state.csn} committed, {state.tentative} tentative",
    }
    if replica.store.pace == "manual":
        rows["pace"] = console.warning(
            "manual, as before the start: this replica sends and commits only on request; `pace auto` ends manual pace"
        )
    joined = f", joined through {console.name(replica.joined_through)}" if replica.joined_through else ""
    retired = ", which has retired and accepts no more writes" if state.retired else ""
    yield f"Bayou replica {console.name(replica.label)} of {settings.cluster}{joined}{retired}"
    for name, text in rows.items():
        yield f"  {name:<13} {text}"
    for warning in [*replica.warnings, *_open_to_others(settings, replica.label), *replica.warnings_of_applications()]:
        yield console.warning(f"  warning: {warning}")


def _storage(url: str, folder: Path) -> str:
    if url == "embedded":
        return f"embedded Redis in {folder}"
    if url == "memory":
        return "memory"
    return shown_url(url)


def _open_to_others(settings: Config, label: str) -> Iterator[str]:
    own = settings.replica(label)
    if not own.rest.is_loopback:
        said = f"REST listens on {own.rest}, which other machines can reach"
        if settings.auth == "none":
            yield f"{said} without authentication. Set `auth: tokens`."
        else:
            yield f"{said} without encryption, so others can read tokens on the network. See docs/operate.md."
    if not own.anti_entropy.is_loopback and settings.tls is None:
        yield (
            f"anti-entropy listens on {own.anti_entropy}, which other machines can reach without authentication."
            " Set `tls`."
        )
