"""The unary calls of membership between two replicas, at both ends: Create, HandOver and TakeOver of a_e.proto.

commands.py and join.py decide when to make a call; commands.py does what a call asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from redis import RedisError

from bayou.anti_entropy import PROTOCOL
from bayou.errors import Away, Conflict, PeerRefusalCode, Refusal
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_transport import UnaryCall, call_unary
from replica.anti_entropy.tls import Credentials
from replica.config import Address
from storage.redis.connect import away_of

CREATE_TIMEOUT_S = 20.0
HAND_OVER_TIMEOUT_S = 20.0
TAKE_OVER_TIMEOUT_S = 60.0  # includes a hand-over, and the sessions before and after it

Reply = TypeVar("Reply", wire.CreateReply, wire.PromoteReply)


@dataclass(frozen=True, slots=True)
class NewServer:
    """What a server that joins says about itself; the addresses are HOST:PORT. The same `request` gives the same id."""

    label: str
    rest: str
    anti_entropy: str
    request: str


@dataclass(frozen=True, slots=True)
class Introduction:
    """The fields with which a replica introduces itself in a call."""

    cluster: str
    server: str
    label: str


def request_creation(
    through: Address, cluster: str, tags: Sequence[str], new: NewServer, credentials: Credentials | None
) -> str:
    """Ask a replica to create a server, and return its id. Raises Conflict if it refuses, and Away if no answer
    came."""
    asked = wire.CreateRequest(protocol=PROTOCOL, cluster=cluster, applications=tags, **asdict(new))
    return _answer(call_unary(through, "Create", asked, wire.CreateReply, CREATE_TIMEOUT_S, credentials)).server


def request_hand_over(primary: Address, own: Introduction, credentials: Credentials | None) -> None:
    """Ask the primary to make this replica the next one. Raises Conflict if it refuses, and Away if no answer came."""
    asked = wire.PromoteRequest(protocol=PROTOCOL, **asdict(own))
    _answer(call_unary(primary, "HandOver", asked, wire.PromoteReply, HAND_OVER_TIMEOUT_S, credentials))


def request_take_over(heir: Address, own: Introduction, credentials: Credentials | None) -> None:
    """As the primary, ask a replica to become the next one. Raises Conflict if it refuses, and Away if no answer
    came."""
    asked = wire.PromoteRequest(protocol=PROTOCOL, **asdict(own))
    _answer(call_unary(heir, "TakeOver", asked, wire.PromoteReply, TAKE_OVER_TIMEOUT_S, credentials))


def unary_calls(
    own: Callable[[], Introduction],
    tags: Sequence[str],
    create: Callable[[NewServer], str],
    hand_over: Callable[[Introduction], object],
    take_over: Callable[[Introduction], object],
) -> Mapping[str, UnaryCall]:
    """Return the calls that this replica answers. `create` returns the id of the new server; `hand_over` makes the
    caller the next primary, and `take_over` makes this replica the next primary after the caller. All three may raise
    Refusal."""

    def answer_create(asked: wire.CreateRequest) -> wire.CreateReply:
        try:
            _check_release(own(), asked)
            if set(asked.applications) != set(tags):
                raise Conflict(
                    PeerRefusalCode.OTHER_APPLICATIONS,
                    f"{own().label} has the applications {', '.join(sorted(tags))} and {asked.label} has"
                    f" {', '.join(sorted(asked.applications))}. Bring both to the same release.",
                )
            server = create(NewServer(asked.label, asked.rest, asked.anti_entropy, asked.request))
        except (Refusal, RedisError) as error:
            return wire.CreateReply(refuse=_refuse(error))
        return wire.CreateReply(server=server, label=own().label)

    def answer_promote(command: Callable[[Introduction], object]) -> Callable[[wire.PromoteRequest], wire.PromoteReply]:
        def answer(asked: wire.PromoteRequest) -> wire.PromoteReply:
            try:
                _check_release(own(), asked)
                command(Introduction(asked.cluster, asked.server, asked.label))
            except (Refusal, RedisError) as error:
                return wire.PromoteReply(refuse=_refuse(error))
            return wire.PromoteReply()

        return answer

    return {
        "Create": UnaryCall(wire.CreateRequest, answer_create),
        "HandOver": UnaryCall(wire.PromoteRequest, answer_promote(hand_over)),
        "TakeOver": UnaryCall(wire.PromoteRequest, answer_promote(take_over)),
    }


def _answer(reply: Reply) -> Reply:
    if reply.HasField("refuse"):
        raise Conflict(reply.refuse.code, reply.refuse.message)
    return reply


def _check_release(own: Introduction, asked: wire.CreateRequest | wire.PromoteRequest) -> None:
    if asked.protocol != PROTOCOL:
        raise Conflict(
            PeerRefusalCode.OTHER_PROTOCOL,
            f"{own.label} speaks protocol {PROTOCOL} and {asked.label} protocol {asked.protocol}."
            " Bring both to the same release.",
        )
    if asked.cluster != own.cluster:
        raise Conflict(
            PeerRefusalCode.OTHER_CLUSTER,
            f"{own.label} belongs to the cluster {own.cluster} and {asked.label} to {asked.cluster}."
            " Give both the same cluster name and list of replicas.",
        )


def _refuse(error: Refusal | RedisError) -> wire.Refuse:
    refusal = _refusal_for_peer(error)
    return wire.Refuse(code=refusal.code, message=refusal.message)


def _refusal_for_peer(error: Refusal | RedisError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    message = "The storage of this replica failed. Its log has the details."
    return away_of(error) or Away(PeerRefusalCode.STORAGE_AWAY, message)
