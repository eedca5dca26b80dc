"""The endpoints for operators and for lessons: the content of this replica, its sessions and links, and membership."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import Count, Model
from apps.api.one_at_a_time import OneAtATime
from apps.api.request import Request
from apps.api.schema import ANYTHING, COUNT, FLAG, NUMBER, TEXT, TIME, VECTOR, array, nullable, one_of, record
from bayou.application import LogEntry
from bayou.errors import Unknown
from bayou.history import decode
from bayou.names import LABEL, TAG
from bayou.stamps import split_id, stamp_text
from bayou.state import State, Vector
from replica.config import Config
from replica.events.describe import Describer
from replica.http.concurrency_limit import ConcurrencyLimit
from replica.http.parts import Parts
from replica.http.routing import own_endpoint
from replica.membership.commands import Membership
from storage.members import Member, label_of
from storage.queries import Pace

LOG_ENTRIES = 100
TENTATIVE_LOOKED_AT = 1000  # the first ones in the order
WAITS_LONG = timedelta(minutes=10)
WAITING_MAX = 4  # requests that may wait for a session at a time, below the number of threads
KEEP_MAX = 2**53

Moment = tuple[int, str, dict[str, int]]  # of the store: while it is the same, no page has changed

PRIMARY = record(id=nullable(TEXT), label=nullable(TEXT), here=FLAG, gone=FLAG)
EPOCH = nullable(record(number=COUNT, promoter=TEXT))
PACE = one_of(*get_args(Pace))
PEER = {"type": "object", "properties": {"label": TEXT, "link": one_of("up", "cut")}, "required": ["label", "link"]}
REPLICA = record(
    id=TEXT,
    label=TEXT,
    cluster=TEXT,
    birth=nullable(TEXT),
    primary=PRIMARY,
    epoch=EPOCH,
    history=array(ANYTHING),
    retired=FLAG,
    members=array(record(id=nullable(TEXT), label=TEXT, rest=TEXT, anti_entropy=TEXT, retired=FLAG, forgotten=FLAG)),
    csn=COUNT,
    osn=COUNT,
    tentative=COUNT,
    committed=COUNT,
    vectors=record(V=VECTOR, C=VECTOR, O=VECTOR),
    pace=PACE,
    timezone=TEXT,
    peers=array(PEER),
)
WRITE_TEXTS = ("app", "op", "user", "request", "origin", "accepted_at")
WRITE = record(
    {"held_by": array(TEXT)},
    id=TEXT,
    csn=nullable(COUNT),
    state=one_of("tentative", "committed"),
    **dict.fromkeys(WRITE_TEXTS, TEXT),
    outcome=TEXT,
    describe=ANYTHING,
)
LOG = record(writes=array(WRITE), next=nullable(TEXT))
DIGEST = record(committed=TEXT, tentative=TEXT, csn=COUNT, vector=VECTOR)
SYNCED = record(peer=TEXT, sent=COUNT, received=COUNT, seconds=NUMBER)
LINK = record(peer=TEXT, up=FLAG)
PACED = record(pace=PACE)
RETIRED = record(retired=FLAG, write=TEXT, held_by=nullable(TEXT))
FORGOTTEN = record(label=TEXT, write=TEXT)
BECAUSE = ("waits_long", "unreachable", "forgotten")
WAITING = record(
    writes=array(
        record(
            id=TEXT,
            user=TEXT,
            request=TEXT,
            app=TEXT,
            op=TEXT,
            describe=ANYTHING,
            accepted_at=TEXT,
            accepted_by=TEXT,
            because=one_of(*BECAUSE),
            held_by=array(TEXT),
        )
    ),
    help=nullable(TEXT),
)
ACTIVATED = record(application=TEXT, write=TEXT)
INVITED = record(label=TEXT, invitation=TEXT, until=TIME)
PROMOTED = record(primary=PRIMARY, epoch=EPOCH)
OTHER_CLUSTER = ("other_protocol", "other_applications", "other_cluster", "other_birth")
HUNG = ("play_hung",)
FORGET_ERRORS = {
    404: ("peer_unknown",),
    409: (
        *("own_label", "forgotten", "is_primary", "peer_answers", "not_confirmed"),
        *("retired", "busy", "clock_behind"),
    ),
}
HAND_OVER_ERRORS = {
    404: ("peer_unknown",),
    409: (
        *("no_primary", "is_primary", "not_primary", "retired", "pending", "busy", "link_cut", "moved_on"),
        *("primary_answers", "clock_behind"),
        *OTHER_CLUSTER,
    ),
    500: HUNG,
    503: ("peer_unreachable",),
}


def _write_id(text: str) -> str:
    split_id(text)
    return text


class LogQuery(Model):
    after: Annotated[str, AfterValidator(_write_id)] | None = Field(
        default=None, description="List only the writes after the write with this id."
    )
    limit: Annotated[Count, Field(ge=1, le=1000, description="How many writes are shown.")] = LOG_ENTRIES


class LinkBody(Model):
    example: ClassVar = {"up": False}

    up: Annotated[bool, Field(description="false cuts the link, true heals it.")]


class PaceBody(Model):
    example: ClassVar = {"pace": "auto"}

    pace: Annotated[Pace, Field(description="manual: sessions and commits run only when somebody asks for them.")]


class TruncateBody(Model):
    example: ClassVar = {"keep": 1000}

    keep: Annotated[int, Field(ge=0, lt=KEEP_MAX, description="The number of committed writes that stay in the log.")]


class RetireBody(Model):
    example: ClassVar = {"hand_over_to": "two"}

    hand_over_to: str | None = Field(default=None, description="The label of the replica that becomes the primary.")


class ForgetBody(Model):
    example: ClassVar = {"replica": "three", "confirmed": True}

    replica: Annotated[str, Field(description="The label or the id of the replica.")]
    confirmed: Annotated[bool, Field(description="Forget the replica although some of its writes may be lost.")] = False


class ActivateBody(Model):
    example: ClassVar = {"application": "rooms/1"}

    application: Annotated[str, Field(pattern=f"^{TAG.pattern}$", description="NAME/VERSION of an application.")]


class InviteBody(Model):
    example: ClassVar = {"label": "four"}

    label: Annotated[str, Field(pattern=f"^{LABEL.pattern}$", description="The label of the new replica.")]


class PromoteBody(Model):
    example: ClassVar = {"force": True}

    force: Annotated[
        bool, Field(description="Make this replica the primary without the help of the present primary.")
    ] = False
    although_it_answers: Annotated[bool, Field(description="Use `force` even if the present primary answers.")] = False
    to: str | None = Field(default=None, description="The label of the replica that becomes the primary.")

    @field_validator("to")
    @classmethod
    def _not_forced(cls, to: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("force"):
            raise ValueError(
                "cannot be combined with `force`, which promotes the replica that gets the request; give only one"
            )
        return to


def endpoints(parts: Parts) -> list[Endpoint]:
    admin, peer = Admin(parts), {"peer": "The label of another replica."}
    reading = partial(own_endpoint, "GET", for_cluster_pages=True)
    changing = partial(own_endpoint, role="manager")
    in_class = partial(changing, for_cluster_pages=True)
    unknown, committed, dropped = ("peer_unknown",), record(committed=COUNT), record(dropped=COUNT)
    session_errors = {404: unknown, 409: ("link_cut",), 429: ("too_many_waiting",), 503: ("peer_unreachable",)}
    found = [
        reading("/replica", admin.show_replica, {200: REPLICA}),
        reading("/replica/digest", admin.show_digest, {200: DIGEST}, role="manager"),
        reading("/replica/log", admin.list_log, {200: LOG}, errors={404: ("write_unknown",)}),
        reading("/replica/waiting", admin.list_waiting, {200: WAITING}),
        in_class("POST", "/replica/sync/{peer}", admin.sync, {200: SYNCED}, peer, session_errors),
        in_class("PUT", "/replica/links/{peer}", admin.set_link, {200: LINK}, peer, {404: unknown}),
        in_class("PUT", "/replica/pace", admin.set_pace, {200: PACED}),
        in_class("POST", "/replica/commit", admin.commit, {200: committed}, errors={409: ("not_primary",), 500: HUNG}),
        in_class("POST", "/replica/truncate", admin.truncate, {200: dropped}),
    ]
    if parts.membership is not None:
        changes = MembershipChanges(parts, parts.membership)
        handing_over = partial(changing, "POST", errors=HAND_OVER_ERRORS, body_is_required=False)
        found += [
            handing_over("/replica/retire", changes.retire, {200: RETIRED}),
            handing_over("/replica/promote", changes.promote, {200: PROMOTED}, for_cluster_pages=True),
            changing("POST", "/replica/forget", changes.forget, {200: FORGOTTEN}, errors=FORGET_ERRORS),
            changing(
                "POST", "/replica/activate", changes.activate, {200: ACTIVATED}, errors={409: ("not_everywhere",)}
            ),
            changing("POST", "/replica/invite", changes.invite, {200: INVITED}, errors={409: ("label_taken",)}),
        ]
    return found


class Admin:
    """The handlers that every replica has."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store, self._peers = parts.store, parts.peers
        self._describer = Describer(parts.applications)
        self._digesting = OneAtATime("a digest")
        self._digest: tuple[Moment, Answer] | None = None
        self._syncing = ConcurrencyLimit(
            WAITING_MAX, "too_many_waiting", "requests that wait for a session with a peer"
        )

    def show_replica(self, _request: Request[None, None]) -> Answer:
        """Show the state of this replica: the primary, the members, the version vectors and the peers."""
        state, created = self._store.state(), self._store.members()
        peers = self._peers.status()
        present = {state.label, *[peer["label"] for peer in peers]}
        return {
            "id": state.server,
            "label": self._parts.label,
            "cluster": state.cluster,
            "birth": state.birth or None,
            "primary": _primary(state, created, self._peers.servers()),
            "epoch": _epoch(state.history),
            "history": json.loads(state.history),
            "retired": state.retired,
            "members": _members(self._parts.settings, created, present, self._store.forgotten()),
            "csn": state.csn,
            "osn": state.osn,
            "tentative": state.tentative,
            "committed": state.csn - state.osn,
            "vectors": {
                "V": vector_texts(state.vector),
                "C": vector_texts(state.committed_vector),
                "O": vector_texts(state.omitted_vector),
            },
            "pace": self._store.pace,
            "timezone": self._parts.settings.timezone,
            "peers": peers,
        }

    def show_digest(self, _request: Request[None, None]) -> Answer:
        """Show hashes of all pages of data. Two replicas with the same pages show the same hashes. If there are many
        pages, computing the hashes takes seconds. So only one request at a time computes them, and only after a
        change."""
        moment = self._store.moment()
        if self._digest is None or self._digest[0] != moment:
            with self._digesting:
                digest = self._store.digest()
            answer = asdict(digest) | {"vector": vector_texts(digest.vector)}
            if (digest.csn, digest.vector) != (moment[0], moment[2]):
                return answer
            self._digest = moment, answer
        return self._digest[1]

    def list_log(self, request: Request[LogQuery, None]) -> Answer:
        """List the log: first the committed writes by CSN (commit sequence number), then the tentative writes. A
        tentative write shows which replicas are known to hold it."""
        after, limit = request.query.after, request.query.limit
        entries = self._store.log(after, limit)
        if entries is None:
            raise Unknown(
                "write_unknown",
                f"The log does not hold the write {after}. Send the request without `after`.",
                after=after,
            )
        return {
            "writes": [self._shown(entry) for entry in entries],
            "next": entries[-1].write.id if len(entries) == limit else None,
        }

    def _shown(self, entry: LogEntry) -> Answer:
        write = entry.write
        return {
            "id": write.id,
            "csn": entry.csn,
            "state": "tentative" if entry.csn is None else "committed",
            **{name: getattr(write, name) for name in WRITE_TEXTS},
            "outcome": entry.outcome,
            "describe": self._describer.describe(write, entry.outcome),
            **({"held_by": self._parts.service.holders([write.id])} if entry.csn is None else {}),
        }

    def list_waiting(self, _request: Request[None, None]) -> Answer:
        """List the tentative writes that may need help. These are the writes that have waited for more than ten
        minutes. The list also has the writes of replicas that cannot be reached or were forgotten. `accepted_by` is the
        replica that accepted the write. `held_by` has the replicas that are known to hold the write. `help` says what
        to do. Only the first 1,000 tentative writes are checked."""
        state = self._store.state()
        entries = self._store.log(state.last or None, TENTATIVE_LOOKED_AT)
        if entries is None:  # the last commit was dropped from the log, and all commits before it
            entries = self._store.log(None, TENTATIVE_LOOKED_AT) or []
        peers = {peer["label"]: peer for peer in self._peers.status()}
        absent = {label for label, peer in peers.items() if peer["link"] == "cut" or peer.get("reachable") is False}
        forgotten = self._store.forgotten() - {state.label, *peers}
        long_ago = self._parts.service.now() - WAITS_LONG
        found = []
        for entry in entries:
            write = entry.write
            by = self._parts.service.label(write.origin)
            waits_long = datetime.fromisoformat(write.accepted_at) < long_ago
            if entry.csn is None and (waits_long or by in absent | forgotten):
                because = "forgotten" if by in forgotten else "unreachable" if by in absent else "waits_long"
                found.append(
                    {
                        "id": write.id,
                        **{name: getattr(write, name) for name in ("user", "request", "app", "op", "accepted_at")},
                        "describe": self._describer.describe(write, entry.outcome),
                        "accepted_by": by,
                        "because": because,
                        "held_by": self._parts.service.holders([write.id]),
                    }
                )
        primary = _primary(state, self._store.members(), self._peers.servers())
        return {"writes": found, "help": _what_helps(primary, peers.get(primary["label"]), absent) if found else None}

    def sync(self, request: Request[None, None], peer: str) -> Answer:
        """Run one anti-entropy session with a peer. The answer comes when the session has ended."""
        with self._syncing.holding(request.session.client):
            began = time.monotonic()
            report = self._peers.sync(peer)
            seconds = round(time.monotonic() - began, 6)
        return {"peer": peer, "sent": report.sent, "received": report.received, "seconds": seconds}

    def set_link(self, request: Request[None, LinkBody], peer: str) -> Answer:
        """Cut or heal the link to a peer."""
        self._peers.set_link(peer, up=request.body.up)
        return {"peer": peer, "up": request.body.up}

    def set_pace(self, request: Request[None, PaceBody]) -> Answer:
        """Let sessions and commits run by themselves (`auto`), or only on request (`manual`). A change to `manual` ends
        the sessions that nobody has requested. With manual pace, this replica refuses the sessions that peers start by
        themselves. The code of this refusal is `paused`. A restart does not change the pace."""
        self._peers.set_pace(request.body.pace)
        if request.body.pace == "auto":
            self._store.catch_up()
            self._peers.notify_new_write()
        return {"pace": request.body.pace}

    def commit(self, _request: Request[None, None]) -> Answer:
        """Commit all tentative writes. Only the primary can do this."""
        committed = self._store.commit()
        if committed:
            self._peers.notify_new_write()
        return {"committed": committed}

    def truncate(self, request: Request[None, TruncateBody]) -> Answer:
        """Drop committed writes from the log, except the newest `keep`."""
        return {"dropped": self._store.truncate(request.body.keep)}


class MembershipChanges:
    """The handlers that change the membership. A replica in a simulation has no such handlers."""

    def __init__(self, parts: Parts, membership: Membership) -> None:
        self._store, self._peers = parts.store, parts.peers
        self._membership = membership

    def retire(self, request: Request[None, RetireBody]) -> Answer:
        """Stop accepting writes, and leave the cluster once another replica holds all writes of this replica."""
        retired = self._membership.retire(request.body.hand_over_to)
        return {"retired": True, "write": retired.write, "held_by": retired.held_by}

    def forget(self, request: Request[None, ForgetBody]) -> Answer:
        """Forget another replica that will never come back. The writes of the forgotten replica are kept if any other
        replica holds them. Without `confirmed`, the request is refused with the code `not_confirmed`. The message says
        what may be lost."""
        name = request.body.replica
        write = self._membership.forget(name, confirmed=request.body.confirmed)
        return {"label": label_of(name, self._store.members()) or name, "write": write}

    def activate(self, request: Request[None, ActivateBody]) -> Answer:
        """Let clients make writes with this version of an application, once this change is committed. All replicas must
        be able to play the version."""
        tag = request.body.application
        return {"application": tag, "write": self._membership.activate(tag)}

    def invite(self, request: Request[None, InviteBody]) -> Answer:
        """Make an invitation for a server with this label. The server must join through this replica, within an hour.
        With `auth: none`, a server needs no invitation."""
        label = request.body.label
        invitation, until = self._membership.invite(label)
        return {"label": label, "invitation": invitation, "until": until.isoformat()}

    def promote(self, request: Request[None, PromoteBody]) -> Answer:
        """Make this replica the primary. If `to` names another replica, hand over the role of the primary to that
        replica instead. Only the present primary can hand over."""
        if request.body.force:
            self._membership.force(although_it_answers=request.body.although_it_answers)
        else:
            self._membership.promote(request.body.to)
        state = self._store.state()
        return {
            "primary": _primary(state, self._store.members(), self._peers.servers()),
            "epoch": _epoch(state.history),
        }


def _primary(state: State, created: Sequence[Member], servers: Mapping[str, str]) -> Answer:
    """Describe the primary. `servers` maps the labels of the peers to their ids. In the answer, `gone` is true if the
    replica with the primary's label now has another id. Then the cluster has no primary."""
    label = label_of(state.primary, created)
    server = state.server if label == state.label else servers.get(label or "", state.primary)
    return {"id": state.primary or None, "label": label, "here": state.is_primary, "gone": server != state.primary}


def _epoch(history: str) -> Answer | None:
    """Return the current epoch; None while this replica does not know who was the first primary of the cluster."""
    epochs = decode(history)
    return {"number": epochs[-1].number, "promoter": epochs[-1].promoter} if epochs else None


def _what_helps(primary: Answer, peer: Answer | None, absent: Collection[str]) -> str:
    """Return advice for a user who waits for tentative writes to be committed. `primary` describes the primary. `peer`
    describes the link to the primary. `absent` has the labels of the peers that cannot be reached."""
    label = primary["label"]
    if primary["here"]:
        return "This replica is the primary. To commit the writes, run `commit`."
    if label is None:
        return (
            "This replica does not know the primary yet. Run a session with a replica that knows the primary:"
            " `sync PEER`."
        )
    if primary["gone"]:
        return "There is no primary any more. Make a replica the primary: `admin promote --force`."
    if peer and peer["link"] == "cut":
        return f"The link to the primary, {label}, is cut. To commit the writes, heal the link: `link heal {label}`."
    if label in absent:
        return (
            f"The primary, {label}, does not answer. The writes are committed when {label} answers again and has"
            f" received them. If {label} will never answer again, make another replica the primary:"
            " `admin promote --force`."
        )
    return f"The primary, {label}, commits the writes when it has received them. To send them, run `sync {label}`."


def _members(
    settings: Config, created: Sequence[Member], present: Collection[str], forgotten: Collection[str]
) -> list[dict[str, Any]]:
    """Return the founders and the created servers. The id of a founder is None, because only the founder itself knows
    this id. `present` has the labels of this replica and of its peers. A founder whose label is not in `present` has
    retired or was forgotten. A retired created server is left out, because `created` does not have this server."""
    lost = set(forgotten).difference(present)
    found: list[tuple[str | None, str, str, str, bool]] = [
        (None, label, str(founder.rest), str(founder.anti_entropy), label not in present)
        for label, founder in settings.founders.items()
    ]
    found += [(one.id, one.label, one.rest, one.anti_entropy, one.label in lost) for one in created]
    names = ("id", "label", "rest", "anti_entropy", "retired")
    return [{**dict(zip(names, each, strict=True)), "forgotten": each[1] in lost} for each in found]


def vector_texts(vector: Vector) -> dict[str, str]:
    """Return a vector in which the stamps are texts of 16 digits."""
    return {server: stamp_text(stamp) for server, stamp in sorted(vector.items())}
