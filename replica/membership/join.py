"""How a server that the configuration does not name becomes a part of the cluster (Petersen 1997, section 4.4).

    1. It chooses its addresses and a request id, and notes both in its identity file with the address that it asks.
    2. It asks that replica for its creation, and notes the id that it gets. Asked again, the replica gives the same id.
    3. It opens its namespace under the id and runs its first session with that replica. Only then does it serve.

It may be stopped anywhere between, and goes on when it is started again.
"""

from __future__ import annotations

import random
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from bayou.anti_entropy import PROTOCOL, Session
from bayou.errors import Away, BadInput, Conflict, RefusalCode
from bayou.names import LABEL
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_transport import Caller, Pairs, call_unary
from replica.anti_entropy.tls import read_credentials
from replica.clock import Clock
from replica.config import Address, Config, ConfigError, read_address
from storage.identity_file import IdentityFile, load
from storage.redis.connect import OpenStorage
from storage.store import Store

PORTS = range(20_000, 32_768)  # below those that Linux and macOS give to outgoing connections
CREATE_TIMEOUT_S = 20.0
SESSION_TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says of a server that joins: whom it asks, and where it listens. All may be absent."""

    join: str | None = None
    rest: str | None = None
    anti_entropy: str | None = None


def with_own_address(settings: Config, label: str, wish: Wish) -> Config:
    """The configuration with this server in it, if it is none of the founders; ConfigError where that cannot be."""
    if label in settings.founders:
        if wish != Wish():
            raise ConfigError(
                [f"{label} is a founder: its addresses stand in the configuration, and it needs no --join."]
            )
        return settings
    known = load(settings.data / label)
    is_known = known is not None and bool(known.anti_entropy)
    if not is_known and wish.join is None:
        raise ConfigError(
            [f"{settings.unknown(label)} To make it a new replica of the running cluster, add --join LABEL."]
        )
    if not LABEL.fullmatch(label):
        raise ConfigError([f"{label!r} is not a label: 1 to 32 of a-z, 0-9, _ and -."])
    rest, anti_entropy = _addresses(known, wish)
    return settings.with_joined(label, rest, anti_entropy)


def join(
    opened: OpenStorage, store: Store, settings: Config, label: str, wish: Wish, tags: Sequence[str], clock: Clock
) -> str | None:
    """Take part for the first time, if this server does not yet; returns the label of the one that it joined through.

    Raises Conflict where it cannot, Away where the other one does not answer; started again, it goes on from there.
    """
    known = opened.identity_file
    if known is not None and known.founded_at and not known.left:
        return None
    own = settings.replica(label)
    if known is None or not known.id or known.left:
        for address in (own.rest, own.anti_entropy):
            _check_free(address)  # once it has joined, its peers know it by these
    if known is None or known.left or not known.anti_entropy:
        if wish.join is None:
            raise Conflict("retired", f"{label} has retired. It can join again, as a new server: add --join LABEL.")
        known = IdentityFile(
            id="",
            label=label,
            cluster=settings.cluster_id,
            founded_at="",
            rest=str(own.rest),
            anti_entropy=str(own.anti_entropy),
            request=secrets.token_hex(8),
            through=str(_address_of(settings, wish.join)),
        )
        opened.confirm(known)
    elif wish.join is not None and str(_address_of(settings, wish.join)) != known.through:
        raise Conflict(
            "join_pending",
            f"{label} has asked {known.through} for its creation and may be known there. Start it with --join"
            f" {known.through}, or delete its folder to begin anew.",
        )
    through = read_address(known.through)
    if not known.id:
        known = replace(known, id=_created(settings, known, through, tags))
        opened.confirm(known)
    store.begin(server=known.id, cluster=settings.cluster_id, first_primary=False)
    creator = _first_session(store, settings, label, through, tags)
    opened.confirm(replace(known, founded_at=clock().isoformat(timespec="seconds")))
    return creator


def _created(settings: Config, known: IdentityFile, through: Address, tags: Sequence[str]) -> str:
    """Ask for the creation; returns the server id."""
    asked = wire.CreateRequest(
        protocol=PROTOCOL,
        cluster=settings.cluster_id,
        applications=tags,
        label=known.label,
        rest=known.rest,
        anti_entropy=known.anti_entropy,
        request=known.request,
    )
    reply = call_unary(
        through, "Create", asked, wire.CreateReply, CREATE_TIMEOUT_S, read_credentials(settings, known.label)
    )
    if reply.HasField("refuse"):
        raise Conflict(reply.refuse.code, reply.refuse.message)
    return reply.server


def _first_session(store: Store, settings: Config, label: str, through: Address, tags: Sequence[str]) -> str:
    """Sessions with the creator until one has come about; returns its label."""
    met: list[str] = []
    pairs = Pairs(label)

    def make(initiator: bool) -> Session:
        return Session(store, tags, initiator=initiator)

    credentials = read_credentials(settings, label)
    caller = Caller(str(through), through, pairs, make, lambda hello: met.append(hello.label), credentials)
    try:
        for _ in range(SESSION_TRIES_MAX):
            report = caller.call()
            if report.error is None:
                return met[-1]
            if report.code != RefusalCode.BUSY:
                break
            pairs.wait_idle(str(through), 0)
    finally:
        caller.close()
    assert report.error is not None
    raise Away(
        "no_first_session",
        f"{label} is created, but its first session with {through} failed: {report.error.message} Start it again.",
    )


def _addresses(known: IdentityFile | None, wish: Wish) -> tuple[Address, Address]:
    """REST and anti-entropy: as noted, as wished, or free ones of this machine."""
    noted = (known.rest, known.anti_entropy) if known and not known.left else ("", "")
    wished = (wish.rest, wish.anti_entropy)
    for option, before, now in zip(("--rest", "--anti-entropy"), noted, wished, strict=True):
        if known and known.id and before and now not in {None, before}:
            raise ConfigError([f"{option}: this server has joined with {before}, and its peers know it by that."])
    free = iter(_free_ports(2))
    found = []
    for option, before, now in zip(("--rest", "--anti-entropy"), noted, wished, strict=True):
        try:
            found.append(read_address(now or before or f"127.0.0.1:{next(free)}"))
        except ValueError as reason:
            raise ConfigError([f"{option}: {reason}."]) from None
    return found[0], found[1]


def _address_of(settings: Config, name: str) -> Address:
    """Of a label of the configuration, or HOST:PORT."""
    if name in settings.founders:
        return settings.founders[name].anti_entropy
    try:
        return read_address(name)
    except ValueError:
        known = ", ".join(settings.founders)
        message = (
            f"--join names a replica of the configuration ({known}) or an anti-entropy address HOST:PORT, not {name!r}."
        )
        raise BadInput("bad_input", message, field="join") from None


def _check_free(address: Address) -> None:
    try:
        family, _, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen()
    except OSError as error:
        raise Conflict("address_unusable", f"Cannot listen on {address}: {error.strerror}. Give another one.") from None


def _free_ports(count: int) -> list[int]:
    """Each is held until all are found, so no two are the same."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            listener = held.enter_context(socket.socket())
            with suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise Conflict("address_unusable", "No port is free on 127.0.0.1. Give addresses with --rest and --anti-entropy.")
