"""The command line of a replica: read the configuration, say what starts, serve until told to stop."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from redis import RedisError

from apps.api.application import Application
from bayou.errors import Refusal
from replica.config import Config, ConfigError, load
from replica.events.console import Console
from replica.events.printer import Printer
from replica.membership.join import Wish, with_own_address
from replica.replica import MakePeers, Replica, Start
from replica.signals import Stopping
from storage.members import label_of

CONFIG_FILE = Path(__file__).parent.parent / "config.yaml"
EXAMPLE = """\
example:
  python server.py one            start replica one; then, in other terminals, two and three
  python server.py four --join one
                                  a new replica joins the running cluster; later, `python server.py four`
  curl -s http://127.0.0.1:8001/replica

Ctrl-C stops it in order. Killing it loses nothing that was acknowledged.
"""


def main(arguments: Sequence[str], applications: Sequence[Application], make_peers: MakePeers) -> int:
    """The exit status: 0 after a stop in order, 1 where it could not start, 2 for a wrong command line."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    stopping = Stopping()
    try:
        wish = Wish(asked.join, asked.rest, asked.anti_entropy)
        settings = with_own_address(load(asked.config), asked.label, wish)
        printer = Printer(sys.stdout.write)
        console = Console(asked.label, list(settings.replicas), settings.timezone, printer)
        start = Start(wish, restored=asked.restored)
        replica = Replica(settings, asked.label, applications, make_peers, console, stopping.set, start)
        replica.start()
    except (ConfigError, Refusal, RedisError) as error:
        print(f"{asked.label} does not start.\n{error}", file=sys.stderr)
        return 1
    try:
        for line in _banner(replica, settings, console):
            printer(f"{line}\n")
        stopping.wait()
        printer(f"{console.name(asked.label)} is stopping.\n")
    finally:
        replica.stop()
        printer.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Run one replica of the meeting-room scheduler.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("label", metavar="LABEL", help="which replica of the configuration this is")
    parser.add_argument(
        "--config", metavar="PATH", type=Path, default=CONFIG_FILE, help="the configuration (beside server.py)"
    )
    joining = parser.add_argument_group("a replica that the configuration does not name")
    joining.add_argument(
        "--join",
        metavar="LABEL|HOST:PORT",
        help="at its first start: the replica of the running cluster that it joins through, by its label in the"
        " configuration or its anti-entropy address",
    )
    joining.add_argument("--rest", metavar="HOST:PORT", help="where clients find it (default: a free port, kept)")
    joining.add_argument("--anti-entropy", metavar="HOST:PORT", help="where its peers find it (the same)")
    parser.add_argument(
        "--restored", action="store_true", help="the data is a restored copy: go on under a new id, to be safe"
    )
    return parser


def _banner(replica: Replica, settings: Config, console: Console) -> Iterator[str]:
    state, own = replica.state(), settings.replica(replica.label)
    if state.is_primary:
        primary = "this replica"
    else:
        label = label_of(state.primary, replica.store.members())
        primary = console.name(label or state.primary) if state.primary else "not known yet"
    rows = {
        "id": state.server,
        "REST": f"http://{own.rest}",
        "anti-entropy": str(own.anti_entropy),
        "primary": primary + (" (commits by hand)" if settings.commit == "manual" else ""),
        "storage": _storage(settings.redis_of(replica.label), settings.data / replica.label),
        "holds": f"{state.csn} committed, {state.tentative} tentative",
    }
    joined = f", joined through {console.name(replica.joined_through)}" if replica.joined_through else ""
    retired = ", which has retired and takes no more writes" if state.retired else ""
    yield f"Bayou replica {console.name(replica.label)} of {settings.cluster}{joined}{retired}"
    for name, text in rows.items():
        yield f"  {name:<13} {text}"
    for warning in [*replica.warnings, *_open_to_others(settings, replica.label)]:
        yield console.warning(f"  warning: {warning}")


def _storage(url: str, folder: Path) -> str:
    if url == "embedded":
        return f"embedded Redis in {folder}"
    if url == "memory":
        return "memory"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _open_to_others(settings: Config, label: str) -> Iterator[str]:
    own = settings.replica(label)
    if not own.rest.is_loopback:
        said = f"REST listens on {own.rest}, which others can reach"
        if settings.auth == "none":
            yield f"{said}; there is no authentication, so they can do anything. Set `auth: tokens`."
        else:
            yield f"{said}, and is not encrypted: whoever listens on the way has the tokens. See docs/operate.md."
    if not own.anti_entropy.is_loopback and settings.tls is None:
        yield (
            f"anti-entropy listens on {own.anti_entropy}, which others can reach; there is no authentication, so they"
            " can do anything. Set `tls`."
        )
