"""Who takes part, and who commits: creation, retirement, hand-over and forced promotion (Petersen 1997, sections 4 and
5).

Each is a write that one replica accepts; this decides when that may be, together with the other replica where there is
one. A hand-over happens only while the next primary is there: it has just had a session with the present one, asks it
to hand over, and fetches the commit that says so in another session. Knows the store, the peers and this replica's
identity.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from bayou.anti_entropy import PROTOCOL
from bayou.errors import Away, Conflict, Refusal, RefusalCode
from bayou.names import LABEL
from bayou.state import State
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_transport import Unary, call_unary
from replica.anti_entropy.peers import LivePeers
from replica.anti_entropy.tls import read_credentials
from replica.clock import microseconds
from replica.config import read_address
from replica.membership.identity import Identity
from storage.members import label_of
from storage.redis.connect import away_of
from storage.store import Store

HAND_OVER_S_MAX = 20.0  # how long the next primary waits for the present one
TAKE_OVER_S_MAX = 60.0  # the same with the sessions before and after it
PENDING_S_MAX = 5.0  # how long a hand-over waits for the writes that come in to be committed
HANDS_MAX = 3  # replicas that are asked one after another who the primary is
LEAVE_PAUSE_S = 1.0  # between attempts to tell somebody of the retirement

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Retired:
    """`held_by` is the label of a replica that holds all that the retired one wrote; None while there is none."""

    write: str
    held_by: str | None


class Membership:
    """Implements replica.anti_entropy.peers.Membership; its other methods are what operators ask for.

    `say` tells the operator, `left` is called once, when this replica has retired and may end.
    """

    def __init__(
        self,
        identity: Identity,
        store: Store,
        peers: LivePeers,
        applications: tuple[str, ...],
        say: Say,
        left: Callable[[], object],
    ) -> None:
        self._identity = identity
        self._settings, self._label = identity.settings, identity.label
        self._store = store
        self._credentials = read_credentials(self._settings, self._label)
        self._peers = peers
        self._applications = applications
        self._say = say
        self._left = left
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()
        self._leaving: threading.Thread | None = None

    def start(self) -> None:
        """Go on with what was not finished: commits of a new primary, and a retirement that nobody was told of."""
        state = self._store.state()
        self._catch_up(state)
        if state.retired:
            self._begin_to_leave()

    def stop(self) -> None:
        self._stopping.set()
        if self._leaving is not None:
            self._leaving.join()

    # What operators ask for.

    def retire(self, heir: str | None) -> Retired:
        """Take no more writes, and leave once another replica has this one's. A primary hands over first: to `heir`,
        or to whom it can. Whoever is to be told first is `heir` too."""
        with self._alone():
            state = self._store.state()
            if state.retired:
                raise Conflict("retired", "This replica has retired already. It ends once another one has its writes.")
            if heir is not None:
                self._peers.address_of(heir)
            if state.is_primary:
                self._hand_over_to_one_of([heir] if heir else self._peers.reachable())
            write = self._store.retire(self._now_us())
            self._say("It has retired, and takes no more writes.")
            order = self._peers.reachable()
            found = self._tell_one_of([heir] if heir in order and heir else order)
            if found is None:
                self._begin_to_leave()
            return Retired(write, found)

    def promote(self, to: str | None) -> str | None:
        """Make this replica the primary or, asked at the primary, the one that `to` names. Its label."""
        with self._alone():
            state = self._store.state()
            if state.is_primary and to not in {None, self._label}:
                self._ask_to_take_over(str(to))
                return to
            if to not in {None, self._label}:
                raise Conflict("not_primary", f"Only the primary can hand over to {to}. Ask it, or ask {to} itself.")
            self._take_over(state)
            return self._label

    def force(self) -> str:
        """Make this replica the primary without the old one, whose later commits are void; its new id."""
        with self._alone():
            state = self._store.state()
            self._check_not_retired(state)
            if state.is_primary:
                raise Conflict("is_primary", "This replica is the primary already.")
            server = self._identity.force_primary(self._store, self._now_us())
            self._peers.poke()
            return server

    # What peers ask for.

    def unary(self) -> Mapping[str, Unary]:
        return {
            "Create": Unary(wire.CreateRequest, self._create),
            "HandOver": Unary(wire.PromoteRequest, self._hand_over),
            "TakeOver": Unary(wire.PromoteRequest, self._take_over_from),
        }

    def after_session(self, code: str | None, vector_of_peer: Mapping[str, int]) -> None:
        if code == RefusalCode.TAIL_LOST:
            renewed = self._identity.renew_if_lost(self._store, vector_of_peer)
            if renewed:
                self._say(renewed)
                self._peers.poke()
        self._catch_up(self._store.state())

    def after_import(self) -> None:
        """A file was taken: what it brought may concern who takes part, and who commits."""
        self._peers.refresh()
        self._catch_up(self._store.state())

    def _create(self, asked: wire.CreateRequest) -> wire.CreateReply:
        try:
            self._check_release(asked.protocol, asked.cluster)
            theirs, ours = set(asked.applications), set(self._applications)
            if theirs != ours:
                raise Conflict(
                    RefusalCode.OTHER_APPLICATIONS,
                    f"{self._label} has {', '.join(sorted(ours))} and {asked.label} has {', '.join(sorted(theirs))}."
                    " Bring both to the same release.",
                )
            self._check_new(asked)
            server = self._store.create(
                label=asked.label,
                rest=asked.rest,
                anti_entropy=asked.anti_entropy,
                request=asked.request,
                now_us=self._now_us(),
            )
            self._peers.refresh()
            self._peers.poke()
        except (Refusal, RedisError) as error:
            return wire.CreateReply(refuse=_refuse(error))
        return wire.CreateReply(server=server, label=self._label)

    def _check_new(self, asked: wire.CreateRequest) -> None:
        for address in (asked.rest, asked.anti_entropy):
            try:
                read_address(address)
            except ValueError as reason:
                raise Conflict("bad_input", f"{reason}.") from None
        if not LABEL.fullmatch(asked.label) or not 1 <= len(asked.request) <= 64 or not asked.request.isalnum():
            raise Conflict("bad_input", "The label or the request is none.")
        created = {member.label: member for member in self._store.members()}
        other = created.get(asked.label)
        if asked.label in self._settings.founders or (other is not None and other.request != asked.request):
            raise Conflict("label_taken", f"There is a replica {asked.label} already. Choose another label.")

    def _hand_over(self, asked: wire.PromoteRequest) -> wire.PromoteReply:
        """This is the primary: the peer, which has just had a session with it, asks to be the next one."""
        try:
            self._check_release(asked.protocol, asked.cluster)
            if asked.label not in self._peers.reachable():
                raise Conflict(
                    RefusalCode.LINK_CUT, f"{self._label} has cut its link to {asked.label}, or does not know it."
                )
            if asked.server in self._store.state().retired_servers:
                raise Conflict("retired", f"{asked.label} has retired.")
            self._hand_over_when_committed(asked.server)
            self._say(f"It has handed over to {asked.label}, which is the primary from now on.")
        except (Refusal, RedisError) as error:
            return wire.PromoteReply(refuse=_refuse(error))
        return wire.PromoteReply()

    def _take_over_from(self, asked: wire.PromoteRequest) -> wire.PromoteReply:
        """The primary asks this replica to be the next one."""
        try:
            self._check_release(asked.protocol, asked.cluster)
            with self._alone():
                self._peers.sync(asked.label)
                self._take_over(self._store.state())
        except (Refusal, RedisError) as error:
            return wire.PromoteReply(refuse=_refuse(error))
        return wire.PromoteReply()

    # The steps.

    def _take_over(self, state: State) -> None:
        """A session with the primary, its consent, and a session that brings the commit."""
        self._check_not_retired(state)
        primary = self._primary(state)
        try:
            for _ in range(HANDS_MAX):
                self._peers.sync(primary)
                before, primary = primary, self._primary(self._store.state())
                if primary == before:
                    break
            self._call("HandOver", primary, HAND_OVER_S_MAX)
        except Away as error:
            raise Away(
                error.code,
                f"{error.message} A hand-over needs the present primary, {primary}. If it is lost for good, promote"
                " with force: commits that only it holds are void then.",
                primary=primary,
            ) from None
        self._peers.sync(primary)
        self._catch_up(self._store.state())
        self._peers.poke()
        self._say("It is the primary now.")

    def _primary(self, state: State) -> str:
        """The label of the primary, another replica."""
        primary = label_of(state.primary, self._store.members())
        if primary is None:
            raise Conflict(
                "no_primary", "This replica does not know of a primary. Have it meet one, or promote with force."
            )
        if primary == self._label and not state.is_primary:
            raise Conflict(
                "no_primary", "The primary was this replica, under an id that it has lost. Promote it with force."
            )
        if state.is_primary:
            raise Conflict("is_primary", "This replica is the primary already.")
        return primary

    def _hand_over_to_one_of(self, labels: list[str]) -> None:
        """To the first that takes over."""
        problems = []
        for label in labels:
            try:
                self._ask_to_take_over(label)
            except Refusal as refusal:
                problems.append(f"{label}: {refusal.message}")
            else:
                return
        raise Conflict(
            "is_primary",
            "The primary hands over before it retires, and nobody could take over. "
            + (" ".join(problems) or "There is no other replica to which the link is up."),
        )

    def _ask_to_take_over(self, label: str) -> None:
        self._call("TakeOver", label, TAKE_OVER_S_MAX)
        self._peers.refresh()

    def _call(self, name: str, label: str, timeout_s: float) -> None:
        address = self._peers.address_of(label)
        if label not in self._peers.reachable():
            raise Conflict(RefusalCode.LINK_CUT, f"The link to {label} is cut here. Heal it first.", peer=label)
        state = self._store.state()
        asked = wire.PromoteRequest(protocol=PROTOCOL, cluster=state.cluster, server=state.server, label=self._label)
        reply = call_unary(address, name, asked, wire.PromoteReply, timeout_s, self._credentials)
        if reply.HasField("refuse"):
            raise Conflict(reply.refuse.code, reply.refuse.message, peer=label)

    def _hand_over_when_committed(self, server: str) -> None:
        deadline = time.monotonic() + PENDING_S_MAX
        while True:
            try:
                self._store.hand_over(server, self._now_us())
            except Conflict as conflict:
                if conflict.code != RefusalCode.PENDING or time.monotonic() > deadline:
                    raise
            else:
                return

    def _catch_up(self, state: State) -> None:
        if state.is_primary and state.tentative and self._settings.commit == "auto":
            self._store.catch_up()
            self._peers.poke()

    def _tell_one_of(self, labels: list[str]) -> str | None:
        """A session with one of these, which then holds all that was written here; None when it came to none.

        One that has retired itself does not count: it may have had its own last session already.
        """
        for label in labels:
            try:
                self._peers.sync(label)
            except Refusal:
                continue
            self._peers.refresh()
            if label not in self._peers.reachable():
                continue
            self._identity.leave()
            self._say(f"{label} holds all that it wrote. It ends.")
            self._left()
            return label
        return None

    def _begin_to_leave(self) -> None:
        self._leaving = threading.Thread(target=self._leave, name="leaving", daemon=True)
        self._leaving.start()

    def _leave(self) -> None:
        while not self._stopping.wait(LEAVE_PAUSE_S):
            with contextlib.suppress(RedisError):
                if self._tell_one_of(self._peers.reachable()):
                    return

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one_at_a_time.acquire(blocking=False):
            raise Conflict(
                RefusalCode.BUSY, "Another change of the membership is under way here. Try again in a moment."
            )
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _check_not_retired(self, state: State) -> None:
        if state.retired:
            raise Conflict("retired", "This replica has retired. Use another one.")

    def _check_release(self, protocol: int, cluster: str) -> None:
        if protocol != PROTOCOL:
            raise Conflict(
                RefusalCode.OTHER_PROTOCOL,
                f"{self._label} speaks protocol {PROTOCOL}, the other one {protocol}. Bring both to the same release.",
            )
        if cluster != self._settings.cluster_id:
            raise Conflict(
                RefusalCode.OTHER_CLUSTER,
                f"{self._label} belongs to the cluster {self._settings.cluster_id}, the other one to {cluster}."
                " Give both the same cluster name and list of replicas.",
            )

    def _now_us(self) -> int:
        return microseconds(self._identity.clock())


def _refuse(error: Refusal | RedisError) -> Any:
    refusal = _refusal_for_peer(error)
    return wire.Refuse(code=refusal.code, message=refusal.message)


def _refusal_for_peer(error: Refusal | RedisError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    message = "The storage of this replica failed. Its log has the details."
    return away_of(error) or Away("storage_away", message)
