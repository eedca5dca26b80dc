"""The unary calls of membership between two replicas: Create, HandOver, TakeOver and Held of a_e.proto. This module
makes the calls and answers them.

commands.py and join.py decide when to make a call. When a call arrives, commands.py does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeVar

from google.protobuf.message import Message
from redis import RedisError

from bayou.anti_entropy import PROTOCOL
from bayou.errors import Away, Conflict, PeerRefusalCode, Refusal
from bayou.handshake import problem_of_applications
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_client import call_unary
from replica.anti_entropy.grpc_server import UnaryCall
from replica.anti_entropy.tls import Credentials
from replica.config import Address
from storage.redis.connect import away_of

TIMEOUTS_S = {
    "Create": 20.0,
    "HandOver": 20.0,
    "TakeOver": 60.0,  # includes a hand-over, and the sessions before and after it
    "Held": 5.0,
}

Call = TypeVar("Call", wire.CreateRequest, wire.PromoteRequest, wire.HeldRequest)
Reply = TypeVar("Reply", wire.CreateReply, wire.PromoteReply, wire.HeldReply)


@dataclass(frozen=True, slots=True)
class NewServer:
    """What a joining server says about itself. `rest` and `anti_entropy` have the form HOST:PORT. `request` is a
    request id. If the call Create is repeated with the same `request`, the server gets the same id."""

    label: str
    rest: str
    anti_entropy: str
    request: str


@dataclass(frozen=True, slots=True)
class Introduction:
    """How a replica introduces itself in a call: its cluster, its server id and its label. `process` is a random text
    that each process chooses when it starts. So a replica and a copy of this replica have different texts."""

    cluster: str
    server: str
    label: str
    process: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """The answer of a peer to the call Held.

    server          the id of the peer
    process         the random text of the peer's process
    stamp           the greatest stamp among the caller's writes that the peer holds; 0 if the peer holds none
    csn             the last CSN that the peer holds
    history         the history of the peer's log
    primary         the id of the primary that the peer knows
    runs_elsewhere  whether another process with the caller's id answers at the caller's address
    """

    server: str
    stamp: int
    csn: int
    runs_elsewhere: bool
    process: str
    primary: str
    history: str


def request_creation(
    through: Address,
    cluster: str,
    rules: Mapping[str, str],
    new: NewServer,
    invitation: str,
    credentials: Credentials | None,
) -> str:
    """Ask a replica to create a server, and return the id of the server. `invitation` is a text that the asked replica
    has made, or empty. Raises Conflict if the replica refuses, and Away if no answer came."""
    asked = wire.CreateRequest(
        protocol=PROTOCOL, cluster=cluster, applications=rules, invitation=invitation, **asdict(new)
    )
    return _call(through, "Create", asked, wire.CreateReply, credentials).server


def request_promotion(
    address: Address, name: Literal["HandOver", "TakeOver"], own: Introduction, credentials: Credentials | None
) -> None:
    """Ask another replica to take part in a hand-over. With `HandOver`, this replica asks the primary to make this
    replica the next primary. With `TakeOver`, this replica is the primary and asks another replica to become the next
    primary.

    Raises Conflict if the other replica refuses, and Away if no answer came.
    """
    asked = wire.PromoteRequest(protocol=PROTOCOL, cluster=own.cluster, server=own.server, label=own.label)
    _call(address, name, asked, wire.PromoteReply, credentials)


def request_held(
    address: Address, own: Introduction, credentials: Credentials | None, *, is_probe: bool = False
) -> Held:
    """Send the call Held to another replica, and return the answer. With `is_probe`, the other replica does not look
    for another process with the id of this replica, so `runs_elsewhere` is false. Raises Conflict if the other replica
    refuses, and Away if no answer came."""
    asked = wire.HeldRequest(protocol=PROTOCOL, is_probe=is_probe, **asdict(own))
    reply = _call(address, "Held", asked, wire.HeldReply, credentials)
    names = [field.name for field in fields(Held)]
    return Held(**{name: getattr(reply, name) for name in names})


def unary_calls(
    own: Callable[[], Introduction],
    rules: Mapping[str, str],
    create: Callable[[NewServer, str], str],
    hand_over: Callable[[Introduction], object],
    take_over: Callable[[Introduction], object],
    held: Callable[[Introduction, bool], Held],
) -> Mapping[str, UnaryCall]:
    """Return the calls that this replica answers. These arguments are functions that do the work:

    own        returns the introduction of this replica
    create     takes a new server and its invitation, and returns the id of the server
    hand_over  makes the caller the next primary
    take_over  makes this replica the next primary after the caller
    held       takes the caller and `is_probe`, and returns what this replica holds of the caller

    `create`, `hand_over` and `take_over` may raise Refusal.
    """

    def answering(act: Callable[[Call], Reply], refused: type[Reply]) -> Callable[[Call], Reply]:
        def answer(asked: Call) -> Reply:
            try:
                _check_release(own(), asked)
                return act(asked)
            except (Refusal, RedisError) as error:
                refusal = _refusal_for_peer(error)
                return refused(refuse=wire.Refuse(code=refusal.code, message=refusal.message))

        return answer

    def answer_create(asked: wire.CreateRequest) -> wire.CreateReply:
        if problem := problem_of_applications(own().label, rules, (), asked.label, asked.applications):
            raise Conflict(PeerRefusalCode.OTHER_APPLICATIONS, problem)
        server = create(NewServer(asked.label, asked.rest, asked.anti_entropy, asked.request), asked.invitation)
        return wire.CreateReply(server=server, label=own().label)

    def promoting(command: Callable[[Introduction], object]) -> UnaryCall:
        def answer_promote(asked: wire.PromoteRequest) -> wire.PromoteReply:
            command(Introduction(asked.cluster, asked.server, asked.label))
            return wire.PromoteReply()

        return UnaryCall(wire.PromoteRequest, answering(answer_promote, wire.PromoteReply))

    def answer_held(asked: wire.HeldRequest) -> wire.HeldReply:
        asker = Introduction(asked.cluster, asked.server, asked.label, asked.process)
        return wire.HeldReply(**asdict(held(asker, asked.is_probe)))

    return {
        "Held": UnaryCall(wire.HeldRequest, answering(answer_held, wire.HeldReply)),
        "Create": UnaryCall(wire.CreateRequest, answering(answer_create, wire.CreateReply)),
        "HandOver": promoting(hand_over),
        "TakeOver": promoting(take_over),
    }


def _call(
    address: Address, name: str, asked: Message, reply_type: type[Reply], credentials: Credentials | None
) -> Reply:
    reply = call_unary(address, name, asked, reply_type, TIMEOUTS_S[name], credentials)
    if reply.HasField("refuse"):
        raise Conflict(reply.refuse.code, reply.refuse.message)
    return reply


def _check_release(own: Introduction, asked: wire.CreateRequest | wire.PromoteRequest | wire.HeldRequest) -> None:
    if asked.protocol != PROTOCOL:
        raise Conflict(
            PeerRefusalCode.OTHER_PROTOCOL,
            f"{own.label} uses protocol version {PROTOCOL} and {asked.label} uses version {asked.protocol}."
            " Run the same release on both.",
        )
    if asked.cluster != own.cluster:
        raise Conflict(
            PeerRefusalCode.OTHER_CLUSTER,
            f"{own.label} belongs to the cluster {own.cluster} and {asked.label} to {asked.cluster}."
            " Give both the same cluster name and list of replicas.",
        )


def _refusal_for_peer(error: Refusal | RedisError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    message = "The storage of this replica failed. See the log of the replica."
    return away_of(error) or Away(PeerRefusalCode.STORAGE_AWAY, message)
