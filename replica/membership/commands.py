"""The commands of membership: creation, retirement, hand-over and forced promotion (Petersen 1997, sections 4 and 5).

Each command is a write that one replica accepts. This module decides when a replica may accept such a write. A
hand-over needs two replicas. The next primary runs a session with the current primary, and asks the current primary to
hand over. Then the next primary fetches the commit of the hand-over in another session.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from redis import RedisError

from bayou.anti_entropy import Report
from bayou.errors import Away, BadInput, Conflict, PeerRefusalCode, Refusal
from bayou.healing import Cure, Healing
from bayou.names import LABEL
from bayou.stamps import moment
from bayou.state import State
from replica.anti_entropy.grpc_server import UnaryCall
from replica.anti_entropy.scheduler import Scheduler
from replica.anti_entropy.tls import read_credentials
from replica.clock import microseconds
from replica.config import read_address
from replica.membership import rpc
from replica.membership.identity import Identity
from replica.membership.invitations import Invitations
from replica.membership.rpc import Held, Introduction, NewServer
from storage.members import label_of
from storage.store import Store

PENDING_S_MAX = 5.0  # how long a hand-over waits until arriving writes are committed
PRIMARIES_MAX = 3  # sessions in search of the primary, each with the one that the session before named
LEAVE_PAUSE_S = 1.0  # between attempts to hand all writes to another replica

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Retired:
    """The result of a retirement. `held_by` is the label of a replica that holds all writes of the retired replica. If
    no replica holds all these writes yet, `held_by` is None."""

    write: str
    held_by: str | None


class Membership:
    """The membership of this replica. `say` prints a line for the operator. `left` is called when this replica has
    retired and may end."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        peers: Scheduler,
        rules: Mapping[str, str],
        say: Say,
        left: Callable[[], object],
    ) -> None:
        self._identity = identity
        self._settings, self._label = identity.settings, identity.label
        self._store = store
        self._credentials = read_credentials(self._settings, self._label)
        self._peers = peers
        self._rules = rules
        self._say = say
        self._left = left
        self._invitations = Invitations(self._label, identity.clock, is_needed=self._settings.has_roles)
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._leaving: threading.Thread | None = None
        self._healing = Healing()
        self._resubmitting = threading.Lock()
        self._left_set_aside = 0  # writes that could not be made again

    def start(self) -> None:
        """Continue work that the last stop interrupted. If this replica is a primary that commits automatically, commit
        its tentative writes. If this replica has retired, look for a replica that takes over its writes."""
        self._resubmit()
        state = self._store.state()
        self._catch_up(state)
        if state.retired:
            self._begin_to_leave()

    def stop(self) -> None:
        self._stopping.set()
        if self._leaving is not None:
            self._leaving.join()

    # Commands of operators.

    def retire(self, heir: str | None) -> Retired:
        """Stop accepting writes. Leave the cluster as soon as another replica holds all writes of this replica. If this
        replica is the primary, first hand over to another replica.

        `heir` is the label of the replica that becomes the primary and that receives the writes. If `heir` is None, a
        reachable replica is chosen.
        """
        with self._one_at_a_time():
            state = self._store.state()
            if state.retired:
                raise Conflict(
                    "retired",
                    "This replica has already retired. Its process stops when another replica has received all its"
                    " writes.",
                )
            if heir is not None:
                self._peers.check_known(heir)
            if state.is_primary:
                self._hand_over_to_one_of([heir] if heir else self._peers.reachable())
            write = self._store.retire(self._now_us())
            self._say("This replica has retired and accepts no more writes.")
            reachable = self._peers.reachable()
            holder = self._leave_writes_to_one_of([heir] if heir in reachable and heir else reachable)
            if holder is None:
                self._begin_to_leave()
            return Retired(write, holder)

    def invite(self, label: str) -> tuple[str, datetime]:
        """Return an invitation with which a server of this label may join through this replica, and the time at which
        the invitation ends. Raises Conflict `label_taken` if there is a replica of this label."""
        self._check_free(label)
        return self._invitations.invite(label)

    def forget(self, name: str, *, confirmed: bool) -> str:
        """Forget another replica that will never come back. `name` is the label or the id of that replica. Returns the
        id of the write that records this.

        The version vectors keep the entry of the forgotten replica. So the other replicas still pass on the writes of
        the forgotten replica.

        Raises Conflict `not_confirmed` if `confirmed` is false. The message of this error says which writes may be
        lost. Raises Conflict if `name` is this replica or the primary. Also raises Conflict if the named replica
        answers or was forgotten before.
        """
        with self._one_at_a_time():
            state, created = self._store.state(), self._store.members()
            self._check_not_retired(state)
            label = label_of(name, created) or name
            if label == self._label:
                raise Conflict(
                    "own_label",
                    f"A replica cannot forget itself. To let {label} leave the cluster, run `admin retire`.",
                )
            if label in self._store.forgotten() and label not in self._peers.labels():
                raise Conflict("forgotten", f"{label} was forgotten already. There is nothing to do.")
            self._peers.check_known(label)
            if label == label_of(state.primary, created):
                raise Conflict(
                    "is_primary",
                    f"{label} is the primary. First make a replica that still runs the primary:"
                    f" admin promote --force. Then forget {label}.",
                )
            if self._answers(label):
                raise Conflict(
                    "peer_answers",
                    f"{label} answers at its address, so {label} still runs. To let {label} leave the cluster, run"
                    f" `admin retire --replica {label}`.",
                )
            if not confirmed:
                raise Conflict("not_confirmed", self._what_may_be_lost(label, state), label=label)
            write = self._store.forget_server(label, self._now_us())
            self._peers.refresh()
            self._peers.notify_new_write()
            self._say(f"This replica has forgotten {label} (`admin forget`).")
            return write

    def _what_may_be_lost(self, label: str, state: State) -> str:
        created = self._store.members()
        newest = max((stamp for one, stamp in state.vector.items() if label_of(one, created) == label), default=0)
        since = f" after {moment(newest)}" if newest else ""
        return (
            f"This replica holds no write that {label} accepted{since}. If {label} did accept such a write, and no"
            f" other replica holds it, the write is lost. To forget {label} anyway, add --yes (in REST: confirmed)."
        )

    def activate(self, tag: str) -> str:
        """Let clients use the application version `tag` (NAME/VERSION). For this, accept a membership write, and return
        its id. Clients can use the version when the write is committed.

        Raises BadInput if this replica cannot play the version, or if clients already use a later version. Raises
        Conflict if the last hello of a peer does not list the version, or if a peer has not said hello yet.
        """
        with self._one_at_a_time():
            self._check_not_retired(self._store.state())
            if tag not in self._rules:
                raise BadInput(
                    "bad_input",
                    f"application: this replica does not have {tag}. This replica has"
                    f" {', '.join(sorted(self._rules))}.",
                    field="application",
                )
            name, _, version = tag.partition("/")
            active = self._store.active_tag(name)
            if int(version) < int(active.partition("/")[2]):
                raise BadInput(
                    "bad_input",
                    f"application: clients already use {active}, and cannot go back to an earlier version.",
                    field="application",
                )
            if lacking := self._peers.lacking(tag):
                raise Conflict(
                    "not_everywhere",
                    f"These replicas have not announced {tag} to this replica: {', '.join(lacking)}. On each of"
                    f" these replicas, start a release that has {tag}. Then run `sync` on this replica, and try again.",
                    lacking=lacking,
                )
            write = self._store.activate(tag, self._now_us())
            self._peers.notify_new_write()
            return write

    def promote(self, to: str | None) -> None:
        """Make this replica the primary. If `to` is the label of another replica, hand over the role of the primary
        to that replica instead. Raises Conflict `not_primary` if this replica is not the primary, and `to` is
        another replica."""
        with self._one_at_a_time():
            state = self._store.state()
            if to is None or to == self._label:
                self._take_over(state)
            elif state.is_primary:
                self._ask_to_take_over(to)
            else:
                raise Conflict(
                    "not_primary",
                    f"This replica is not the primary, so it cannot hand over the role of the primary. To make {to} the"
                    f" primary, run `admin promote --replica {to}`.",
                )

    def force(self, *, although_it_answers: bool = False) -> str:
        """Make this replica the primary without the old primary. The commits of the old primary that this replica does
        not hold become void. Returns the new id of this replica. Raises Conflict `primary_answers` if the primary
        answers and `although_it_answers` is false."""
        with self._one_at_a_time():
            state = self._store.state()
            self._check_not_retired(state)
            if state.is_primary:
                raise Conflict("is_primary", "This replica is the primary already.")
            primary = label_of(state.primary, self._store.members())
            if primary and not although_it_answers and self._answers(primary, state.primary):
                raise Conflict(
                    "primary_answers",
                    f"The primary, {primary}, answers. Run `admin promote` without --force, so that {primary} hands"
                    " over. To force the promotion anyway, add --yes (in REST: although_it_answers). Then the commits"
                    " that this replica lacks become void.",
                    primary=primary,
                )
            server = self._identity.force_primary(self._store, self._now_us())
            self._peers.notify_new_write()
            return server

    # What follows from sessions and files.

    def after_session(self, report: Report) -> None:
        """Update the membership after a session, or after an exchange in a standing session.

        If the session has shown that an older copy of this replica has run, heal the cluster. Make again the writes
        that were set aside. If this replica was forgotten, tell the other replicas that this replica still runs. If
        this replica is a primary that commits automatically, commit its tentative writes.
        """
        state = self._store.state()
        cure = self._healing.cure(report, state)
        if cure is Cure.NEW_ID:
            reason = f"A peer holds writes of {state.server} that this replica does not hold."
            self._say_new_id(self._identity.renew(self._store, state.server, reason))
        elif cure is Cure.NEW_EPOCH:
            with contextlib.suppress(Conflict):  # another change of membership runs: the next session tries again
                self._heal_primary(report.peer, state.server)
        if cure is not None:
            state = self._store.state()
        if report.received or report.installed or report.has_ended:
            if state.set_aside or state.retires:
                self._resubmit()
                state = self._store.state()
            self._return_if_forgotten()
        self._catch_up(state)

    def _heal_primary(self, peer: str, server: str) -> None:
        """Heal the cluster after an older copy of this primary has run under the same id, `server`. Two different
        committed logs may then have the same epoch. A session with `peer` has shown this.

        If this replica is the copy and the original still runs, this replica takes a new id, and the log of the
        original prevails. Otherwise this replica begins a new epoch under a new id, and the log of this replica
        prevails.

        In the log that does not prevail, the commits after the last common commit are revoked. Some writes of this log
        may have no place in the order. These writes are made again (see `_resubmit`).
        """
        with self._one_at_a_time():
            if self._store.state().server != server:
                return
            if original := self._identity.find_original(self._store):
                self._say_new_id(self._identity.renew(self._store, server, original, is_copy=True))
                self._healing.note_epoch(peer)
                return
            fresh = self._identity.force_primary(self._store, self._now_us(), heals=True)
            self._healing.note_epoch(peer)
            self._say_new_id(
                f"{peer} holds commits of {server} that this replica did not make or has lost, so an older copy"
                f" of its data has run. This replica goes on as the primary {fresh}, in a new epoch. What the other"
                " replicas committed differently becomes tentative again, and each change is reported there."
            )

    def _say_new_id(self, text: str | None) -> None:
        if text:
            self._say(text)
            self._peers.notify_new_write()

    def _resubmit(self) -> None:
        """Make again the writes that were set aside. These writes have no place in the order, because a server id was
        used twice. If this replica can make no more writes under its id, this replica first takes a new id. If this
        replica has retired, the new id retires when all these writes have been made. A crash during this method does
        not prevent this retirement."""
        with self._resubmitting:
            state = self._store.state()
            if state.set_aside and not state.has_place:
                reason = f"This replica must make some writes again, but not under the id {state.server}."
                self._say_new_id(self._identity.renew(self._store, state.server, reason, retires=state.retired))
            left = self._store.resubmit(self._now_us()) if state.set_aside else 0
            if left < state.set_aside:
                self._say(
                    f"{state.set_aside - left} writes had no place in the order, because a copy of a replica has run."
                    " This replica has made these writes again under new ids."
                )
                self._peers.notify_new_write()
            if left and left != self._left_set_aside:
                self._say(
                    f"{left} writes could not be made again yet. Either the clock of this replica is more than a year"
                    " behind, or the Lua code of an application does not end. Correct the clock or the application."
                    " This replica tries again after a later session."
                )
            self._left_set_aside = left
            state = self._store.state()
            if state.retires and not state.retired and not left:
                self._store.retire(self._now_us())

    def after_import(self) -> None:
        """Read the members and the primary again, because the import may have changed them. Make again the writes that
        the import set aside. If this replica is a primary that commits automatically, commit its tentative writes."""
        self._peers.refresh()
        self._resubmit()
        self._catch_up(self._store.state())

    def _return_if_forgotten(self) -> None:
        """If this replica was forgotten, tell the other replicas that this replica still runs."""
        if self._label in self._store.forgotten() and not self._store.state().retired:
            self._store.come_back(self._now_us())
            self._say(
                "The cluster had forgotten this replica (`admin forget`). This replica now tells its peers that"
                " it still runs."
            )
            self._peers.notify_new_write()

    # Calls of peers.

    def unary_calls(self) -> Mapping[str, UnaryCall]:
        answers = self._create, self._hand_over, self._take_over_from, self._held
        return rpc.unary_calls(self._introduction, self._rules, *answers)

    def _held(self, asker: Introduction, is_probe: bool) -> Held:
        """Answer the call Held. `asker` is the replica that made the call. The answer says which writes of the asker
        this replica holds. If `is_probe` is false, the answer also says whether another process with the asker's id
        answers at the asker's address."""
        state = self._store.state()
        runs = not is_probe and self._answers(asker.label, asker.server, but=asker.process)
        process, stamp = self._identity.process, state.vector.get(asker.server, 0)
        return Held(state.server, stamp, state.csn, runs, process, state.primary, state.history)

    def _answers(self, label: str, server: str | None = None, *, but: str = "") -> bool:
        """Return whether the replica with this label answers at its address. If `server` is given, the result is false
        for a replica with another id, and for the process with the random text `but` (see Introduction). If the link to
        the replica is cut, the result is false too."""
        try:
            address = self._peers.linked_address(label)
            held = rpc.request_held(address, self._introduction(), self._credentials, is_probe=True)
        except Refusal:
            return False
        return server is None or (held.server == server and held.process != but)

    def _create(self, new: NewServer, invitation: str) -> str:
        for address in (new.rest, new.anti_entropy):
            try:
                read_address(address)
            except ValueError as reason:
                raise Conflict("bad_input", f"{reason}.") from None
        if not LABEL.fullmatch(new.label):
            message = f"{new.label!r} is not a label: a label has 1 to 32 of the characters a-z, 0-9, _ and -."
            raise Conflict("bad_input", message)
        if not 1 <= len(new.request) <= 64 or not new.request.isalnum():
            raise Conflict("bad_input", "The request id is invalid: a request id has 1 to 64 letters and digits.")
        if self._check_free(new.label, but=new.request):
            self._invitations.check(new.label, invitation)
        state = self._store.state()
        if self._credentials is not None and state.osn > 0 and not state.is_primary:
            primary = label_of(state.primary, self._store.members()) or "which is not known here"
            raise Conflict(
                "not_primary",
                f"{self._label} has dropped old commits from its log, so a new replica needs a full state, and with TLS"
                f" only the primary, {primary}, can sign it. Join through the primary.",
            )
        server = self._store.create(**asdict(new), now_us=self._now_us())
        self._peers.refresh()
        self._peers.notify_new_write()
        return server

    def _check_free(self, label: str, but: str = "") -> bool:
        """Return True if no replica has this label. Return False if the request with the id `but` has created the
        replica with this label. In all other cases, raise Conflict `label_taken`."""
        other = next((member for member in self._store.members() if member.label == label), None)
        if label in self._settings.founders or (other is not None and other.request != but):
            raise Conflict("label_taken", f"There is a replica {label} already. Choose another label.")
        return other is None

    def _hand_over(self, heir: Introduction) -> None:
        """Make the caller `heir` the primary. This replica must be the primary now. The caller must have had a session
        with this replica just before."""
        if heir.label not in self._peers.reachable():
            raise Conflict(
                PeerRefusalCode.LINK_CUT,
                f"The link to {heir.label} is cut on {self._label}, or {self._label} does not know {heir.label} yet."
                f" Heal the link on {self._label}, or run a session between the two replicas.",
            )
        if heir.server in self._store.state().retired_servers:
            raise Conflict("retired", f"{heir.label} has retired. Choose another replica.")
        self._hand_over_when_committed(heir.server)
        self._say(f"This replica has handed over the role of the primary to {heir.label}.")

    def _take_over_from(self, primary: Introduction) -> None:
        """Take over from the caller `primary`, which is the primary now."""
        with self._one_at_a_time():
            self._peers.sync(primary.label)
            self._take_over(self._store.state())

    # The steps.

    def _take_over(self, state: State) -> None:
        """Become the primary. Run a session with the current primary, and ask the current primary to hand over. Then
        fetch the commit of the hand-over in another session."""
        self._check_not_retired(state)
        primary = self._other_primary(state)
        try:
            for _ in range(PRIMARIES_MAX):
                self._peers.sync(primary)
                before, primary = primary, self._other_primary(self._store.state())
                if primary == before:
                    break
            self._request_promotion(primary, "HandOver")
        except Away as error:
            raise Away(
                error.code,
                f"{error.message} The present primary, {primary}, must give its role to this replica. If {primary}"
                f" will never run again, run `admin promote --force`. Then the commits that only {primary} has"
                " become void.",
                primary=primary,
            ) from None
        self._peers.sync(primary)
        self._catch_up(self._store.state())
        self._peers.notify_new_write()
        self._say("This replica is the primary now.")

    def _other_primary(self, state: State) -> str:
        """Return the label of the primary. Raises Conflict if no primary is known, or if this replica is the primary.
        Also raises Conflict if the replica with this label has taken another id since it became the primary."""
        primary = label_of(state.primary, self._store.members())
        if primary is None:
            raise Conflict(
                "no_primary",
                "This replica does not know the primary. Run a session with a peer that knows the primary, or make this"
                " replica the primary: `admin promote --force`.",
            )
        if primary == self._label and not state.is_primary:
            raise Conflict(
                "no_primary",
                "This replica was the primary under an earlier id. To make it the primary again, run"
                " `admin promote --force`.",
            )
        if state.is_primary:
            raise Conflict("is_primary", "This replica is the primary already.")
        if self._peers.servers().get(primary, state.primary) != state.primary:
            raise Conflict(
                "no_primary",
                f"{primary} was the primary under an earlier id. Make a replica the primary: `admin promote --force`.",
            )
        return primary

    def _hand_over_to_one_of(self, labels: list[str]) -> None:
        """Hand over to the first of these replicas that accepts. Raises Conflict if none accepts."""
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
            "Before this replica retires, another replica must become the primary. No replica could take over. "
            + (
                " ".join(problems)
                or "No link to another replica is up. If a link is cut, heal the link: `link heal PEER`."
            ),
        )

    def _ask_to_take_over(self, label: str) -> None:
        self._request_promotion(label, "TakeOver")
        self._peers.refresh()

    def _request_promotion(self, label: str, name: Literal["HandOver", "TakeOver"]) -> None:
        address = self._peers.linked_address(label)
        rpc.request_promotion(address, name, self._introduction(), self._credentials)

    def _hand_over_when_committed(self, server: str) -> None:
        deadline = time.monotonic() + PENDING_S_MAX
        while True:
            try:
                self._store.hand_over(server, self._now_us())
            except Conflict as conflict:
                if conflict.code != PeerRefusalCode.PENDING or time.monotonic() > deadline:
                    raise
            else:
                return

    def _catch_up(self, state: State) -> None:
        if state.is_primary and state.tentative and self._settings.commit == "auto":
            self._store.catch_up()
            self._peers.notify_new_write()

    def _leave_writes_to_one_of(self, labels: list[str]) -> str | None:
        """Run sessions with these replicas, one after another, until a replica holds all writes of this replica. Return
        the label of that replica. Return None if no session succeeds.

        A replica that has also retired does not count, because it may end before it passes the writes on.
        """
        server = self._store.server()
        for label in labels:
            try:
                self._peers.sync(label)
            except Refusal:
                continue
            self._peers.refresh()
            if label not in self._peers.reachable() or self._store.server() != server:
                continue
            self._identity.leave()
            self._say(f"{label} has all writes of this replica, so the process of this replica ends now.")
            self._left()
            return label
        return None

    def _begin_to_leave(self) -> None:
        self._leaving = threading.Thread(target=self._leave, name="leaving", daemon=True)
        self._leaving.start()

    def _leave(self) -> None:
        while not self._stopping.wait(LEAVE_PAUSE_S):
            if self._store.pace == "manual":
                continue
            with contextlib.suppress(RedisError):
                if self._leave_writes_to_one_of(self._peers.reachable()):
                    return

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        if not self._changing.acquire(blocking=False):
            raise Conflict(PeerRefusalCode.BUSY, "This replica is making another change of membership. Try again.")
        try:
            yield
        finally:
            self._changing.release()

    def _check_not_retired(self, state: State) -> None:
        if state.retired:
            raise Conflict("retired", "This replica has retired. Use another replica.")

    def _introduction(self) -> Introduction:
        state = self._store.state()
        return Introduction(state.cluster, state.server, self._label, self._identity.process)

    def _now_us(self) -> int:
        return microseconds(self._identity.clock())
