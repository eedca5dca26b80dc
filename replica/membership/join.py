"""How a server that the configuration does not name joins the cluster (Petersen 1997, section 4.4).

    1. The server chooses its addresses and a request id. It records these values in its identity file, together with
       the address of a replica of the cluster.
    2. The server asks that replica to create it. It records the id that it gets. A second request gets the same id.
    3. The server opens its namespace under the id and has its first session with that replica. After this session, the
       server accepts requests of clients.

If the server is stopped during these steps, the next start continues where it stopped.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bayou.anti_entropy import Session
from bayou.errors import Away, BadInput, Conflict, PeerRefusalCode
from bayou.names import LABEL
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.grpc_client import PeerClient
from replica.anti_entropy.session_parts import SessionParts
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.tls import read_credentials, read_signing
from replica.clock import Clock, microseconds
from replica.config import Address, Config, ConfigError, read_address
from replica.events.frame_ring import FrameRing
from replica.free_addresses import free_addresses, listen
from replica.membership.rpc import NewServer, request_creation
from storage.identity_file import IdentityFile, load
from storage.redis.connect import OpenStorage
from storage.store import Store

SESSION_TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """Options of the command line: the replica to join through, the addresses at which this server listens, and the
    invitation. None means that an option was not given."""

    join: str | None = None
    rest: str | None = None
    anti_entropy: str | None = None
    invitation: str | None = None


def with_own_address(settings: Config, label: str, options: JoinOptions) -> Config:
    """Return the configuration, with this server added if it is not a founder. Raises ConfigError if the server cannot
    join."""
    if label in settings.founders:
        if options != JoinOptions():
            raise ConfigError(
                f"The configuration names {label}. The options --join, --rest, --anti-entropy and --invitation are only"
                " for replicas that the configuration does not name. Leave these options out."
            )
        return settings
    known = load(settings.data / label)
    is_known = known is not None and bool(known.anti_entropy)
    if not is_known and options.join is None:
        raise ConfigError(
            f"{settings.unknown(label)} To let {label} join the running cluster as a new replica, add --join and"
            " the label of a running replica."
        )
    if not LABEL.fullmatch(label):
        raise ConfigError(f"{label!r} is not a label: a label has 1 to 32 of the characters a-z, 0-9, _ and -.")
    rest, anti_entropy = _addresses(known, options)
    return settings.with_joined(label, rest, anti_entropy)


def join(
    storage: OpenStorage,
    store: Store,
    settings: Config,
    options: JoinOptions,
    rules: Mapping[str, str],
    clock: Clock,
    frames: FrameRing,
) -> str | None:
    """Join the cluster, if this server has not joined yet. Returns the label of the replica that created this server;
    None if this server had joined before.

    Raises Conflict if the server cannot join. Raises Away if the replica that should create the server does not answer.
    After an error, the next start continues at the step that failed.
    """
    label, known = store.label, storage.identity_file
    if known is not None and known.founded_at and not known.left:
        return None
    own = settings.replica(label)
    if known is None or not known.id or known.left:
        for address in (own.rest, own.anti_entropy):
            listen(address).close()  # to check it: peers know it by these once it has joined
    if known is None or known.left or not known.anti_entropy:
        if options.join is None:
            raise Conflict(
                "retired",
                f"{label} has retired. To let it join again as a new server, add --join and the label of a running"
                " replica.",
            )
        known = IdentityFile(
            id="",
            label=label,
            cluster=settings.cluster_id,
            founded_at="",
            rest=str(own.rest),
            anti_entropy=str(own.anti_entropy),
            request=secrets.token_hex(8),
            through=str(_address_of(settings, options.join)),
        )
        storage.confirm(known)
    elif options.join is not None and str(_address_of(settings, options.join)) != known.through:
        raise Conflict(
            "join_pending",
            f"At an earlier start, {label} began to join through {known.through}, and this join is not finished."
            f" Continue the join with --join {known.through}. Or delete the folder of {label}, and join under another"
            " label.",
        )
    through = read_address(known.through)
    if not known.id:
        new = NewServer(known.label, known.rest, known.anti_entropy, known.request)
        credentials = read_credentials(settings, label)
        invitation = options.invitation or ""
        known = replace(known, id=request_creation(through, settings.cluster_id, rules, new, invitation, credentials))
        storage.confirm(known)
    store.begin(server=known.id, cluster=settings.cluster_id, first_primary=False)
    creator = _first_session(store, settings, label, through, rules, clock, frames)
    storage.confirm(replace(known, founded_at=clock().isoformat(timespec="seconds")))
    return creator


def _first_session(
    store: Store,
    settings: Config,
    label: str,
    through: Address,
    rules: Mapping[str, str],
    clock: Clock,
    frames: FrameRing,
) -> str:
    """Run the first session with the replica that has created this server, and return the label of that replica. If
    that replica is busy, try again. Raises Away if no session succeeds."""
    met: list[str] = []
    registry = SessionRegistry(label)

    def make(*, initiator: bool, stands: bool) -> Session:
        assert not stands
        return Session(store, rules, initiator=initiator, clock_us=lambda: microseconds(clock()), signing=signing)

    credentials = read_credentials(settings, label)
    signing = read_signing(settings, label)
    loop = EventLoop()
    parts = SessionParts(loop, registry, make, lambda hello: met.append(hello.label), credentials, frames=frames)
    client = PeerClient(str(through), through, parts, progress=lambda _report: None)
    try:
        for _ in range(SESSION_TRIES_MAX):
            report = loop.wait(client.call(requested=True))
            if report.error is None:
                return met[-1]
            if report.code != PeerRefusalCode.BUSY:
                break
    finally:
        loop.wait(client.close())
        loop.close()
    assert report.error is not None
    raise Away(
        "no_first_session",
        f"{label} is created, but its first session with {through} failed: {report.error.message.rstrip('.')}."
        f" Start {label} again.",
    )


def _addresses(known: IdentityFile | None, options: JoinOptions) -> tuple[Address, Address]:
    """Return the REST address and the anti-entropy address. An option has precedence over the address in the identity
    file `known`. If neither gives an address, a free address of this machine is used."""
    noted = (known.rest, known.anti_entropy) if known and not known.left else ("", "")
    given = (options.rest, options.anti_entropy)
    try:
        free = free_addresses(2)
    except OSError as error:
        message = f"There is no free address: {error}. Give addresses with --rest and --anti-entropy."
        raise Conflict("address_unusable", message) from None
    found = []
    for option, before, now in zip(("--rest", "--anti-entropy"), noted, given, strict=True):
        if known and known.id and before and now not in {None, before}:
            message = f"{option} cannot be changed: this server joined with {before}, and its peers know that address."
            raise ConfigError(message)
        try:
            found.append(read_address(now or before or next(free)))
        except ValueError as reason:
            raise ConfigError(f"{option}: {reason}.") from None
    return found[0], found[1]


def _address_of(settings: Config, name: str) -> Address:
    """Return the anti-entropy address of `name`, which is either a label of the configuration or HOST:PORT."""
    if name in settings.founders:
        return settings.founders[name].anti_entropy
    try:
        return read_address(name)
    except ValueError:
        known = ", ".join(settings.founders)
        message = f"--join takes a label of the configuration ({known}) or an anti-entropy address, not {name!r}."
        raise BadInput("bad_input", message, field="join") from None
