"""The state of one replica in Redis. Every change is one script of storage/lua/commands, which Redis runs atomically.

These rules apply to every public method of Store and of its base classes. A method is atomic unless its docstring says
otherwise. A refusal (bayou.errors) means that nothing changed. A RedisError means that Redis could not be reached or
returned an error. After a ResponseError, nothing has changed. After any other RedisError, the change may have been
made. After any RedisError, it is safe to repeat the call. Any thread may call any method. Stamps, and times whose names
end in `_us`, are microseconds since 1970.

This module knows the namespace and the applications, but not the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis

from bayou import history
from bayou.application import Accepted, LuaApplication, PageViews, Snapshot
from bayou.errors import BadInput, Behind, Conflict, Hung, TooLarge
from bayou.frame_validation import SERVER_BYTES_MAX
from bayou.payloads import Item, Received, Selection
from bayou.stamps import STAMP_DIGITS, moment, split_id, stamp_text
from bayou.state import State, Vector
from bayou.write import PAGES_MAX, WRITE_BYTES_MAX, Draft
from storage.full_state import KEEP, FullStateStore, Ids, Keep
from storage.group_commit import GroupCommit
from storage.keys import FORMAT_VERSION
from storage.members import MEMBERS_PAGE, Member, decode_forgotten, decode_members, label_of, membership_draft
from storage.script_runner import hung, json_map, json_vector, page_views, vector_texts

BATCH = 500  # writes that one transaction commits or drops at most
RESUBMITTED = 100  # writes that one transaction makes again at most
NOTHING: Vector = {}
SESSION_FOREIGN = "session_foreign"  # the code of a refusal

_REFUSED = {
    # status of lua/commands/accept.lua: (code, message)
    "retired": ("retired", "This replica has retired and accepts no more writes. Use another replica."),
    "not_joined": (
        "not_joined",
        "This replica does not hold the write that created this replica. Run a session with the replica through which"
        " this replica joined: `sync LABEL`. If that replica has lost the write, start this replica again without its"
        " data. This replica then joins again.",
    ),
    "is_primary": (
        "is_primary",
        "The primary cannot retire. First make another replica the primary: `admin promote --replica LABEL`.",
    ),
    "not_primary": (
        "not_primary",
        "This replica is not the primary. Only the primary can commit writes or hand over its role. Send the request to"
        " the primary.",
    ),
    "pending": (
        "pending",
        "The primary has not handed over its role, because new writes arrived at the same time. Repeat the request.",
    ),
}


class _Accept(NamedTuple):
    """One request to lua/commands/accept.lua."""

    draft: Draft
    now_us: int
    body: str
    commit_mode: str
    needs: Vector
    birth: str
    shown: Sequence[str]


class _Read(NamedTuple):
    """One request to lua/commands/read_pages.lua."""

    needs: Vector
    birth: str
    view: str
    pages: Sequence[str]


class Store(FullStateStore):
    """The log and the pages of one replica.

    commit_mode  `auto`: a primary commits each write at once when it accepts or receives the write. `manual`: a primary
                 commits only when `commit` is called. While `pace` is `manual`, `auto` means the same as `manual`
    ids          records new server ids outside the namespace (see Ids); None if there is no identity file
    keep         says which commits of the log a full state contains
    emptied      called when a script finds that the namespace no longer exists
    """

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        *,
        commit_mode: str = "auto",
        ids: Ids | None = None,
        keep: Keep = KEEP,
        emptied: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(client, label, applications, ids=ids, keep=keep, emptied=emptied)
        self._commit_mode = commit_mode
        self._versions = {one.name: [*one.older, one.version] for one in applications}
        # Newest versions that were found active. All replicas can play them, so this is not looked up again.
        self._active_for_good: set[str] = set()
        self._accepting = GroupCommit(self._accept_all)
        self._reading = GroupCommit(self._read_all)

    # The namespace.

    def begin(
        self, *, server: str, cluster: str, first_primary: bool, clock_us: int | None = None, manner: str = ""
    ) -> bool:
        """Open the namespace under the id `server`. If the namespace does not exist, create it. If its data has the
        previous format, convert the data to the present format. Returns whether the data was converted.

        first_primary  true if this server becomes the first primary of the cluster when the namespace is new
        clock_us       the wall clock, or None. If the id is new, and the last stamp is more than a year beyond this
                       clock, the last stamp is set back to this clock
        manner         `copy`: this replica is a copy of another replica. It gives up its own history, so that the
                       history of any peer prevails. `retires`: the new id retires when no write is set aside any more

        Raises Conflict `other_release` if this release cannot read the format of the namespace. Raises Conflict
        `other_cluster` if the namespace belongs to another cluster.
        """
        birth, clock = "birth" if first_primary else "", "" if clock_us is None else clock_us
        status = self.run("begin", server, self._label, cluster, birth, FORMAT_VERSION, clock, manner)
        if status == b"other_form":
            raise Conflict(
                "other_release",
                f"The data of {self._label} was written by another release, in a format that this release cannot read."
                f" Use that release. Or start {self._label} without its data. {self._label} then gets back what its"
                " peers hold.",
            )
        if status not in {b"opened", b"migrated"}:
            raise Conflict(
                "other_cluster",
                f"The namespace of {self._label} in this Redis belongs to another cluster. Use another Redis. Or use a"
                " configuration with the same cluster name and the same replicas as when the namespace was created.",
            )
        self._load_hung()
        self._load_pace()
        return bool(status == b"migrated")

    @property
    def _mode(self) -> str:
        """The commit mode in force: `manual` while the pace is manual, otherwise the mode that was configured."""
        return "manual" if self.pace == "manual" else self._commit_mode

    def note_log_applications(self, tags: Sequence[str]) -> None:
        self._redis.sadd(self._keys.log_applications, *tags)

    def state(self) -> State:
        """Return the identity, the vectors and the counters of this replica."""
        found = json.loads(self.run("read_state"))
        meta = json_map(found["meta"])
        state = State(
            server=meta["id"],
            label=meta["label"],
            cluster=meta["cluster"],
            birth=meta["birth"],
            met=bool(meta["met"]),
            primary=meta["primary"],
            history=meta["history"],
            csn=int(meta["csn"]),
            osn=int(meta["osn"]),
            last=meta["last"],
            vector=json_vector(found["vector"]),
            committed_vector=json_vector(found["committed_vector"]),
            omitted_vector=json_vector(found["omitted_vector"]),
            retired_servers=tuple(sorted(found["retired"])),
            retired=bool(meta["retired"]),
            retires=bool(meta.get("retires")),
            tentative=found["tentative"],
            set_aside=found["set_aside"],
            clock=int(found["clock"]),
            log_applications=tuple(sorted(found["apps"])),
        )
        self._acknowledged.note_server(state.server)
        self._acknowledged.note_write(state.server, state.vector.get(state.server, 0), is_committed=False)
        self._acknowledged.note_csn(state.csn)
        return state

    def is_whole(self, state: State) -> bool:
        """Return whether a namespace in this state holds the last acknowledged CSN, and all acknowledged writes of its
        server id. See storage/acknowledged.py."""
        return self._acknowledged.is_held(state)

    # Writes of clients.

    def accept(
        self, draft: Draft, now_us: int, needs: Vector = NOTHING, shown: Sequence[str] = (), birth: str = ""
    ) -> Accepted:
        """Accept a client's write: give the write a stamp, play it, and add it to the log. A primary in `auto` mode
        also commits the write at once.

        The write enters the log only if its outcome is `updated` or `merged`. The result then contains the pages in
        `shown`. One transaction may accept the writes of several threads. The pages then have the state after all these
        writes.

        `birth` is the short form of the birth in a session token, or empty. Raises Behind if this replica knows another
        birth of its cluster, or if the replica's vector does not cover `needs`.

        Raises Conflict if this replica has retired, or if it does not hold the write that created it. Raises Conflict
        `not_active` if clients cannot use this version of the application yet. Raises Conflict `clock_behind` if the
        log has stamps more than a year beyond `now_us`.

        Raises TooLarge if the write has too many bytes or pages, and BadInput if no stamp is left. Raises Hung if the
        play of the write does not end.
        """
        if len(set(draft.pages)) < len(draft.pages):
            raise ValueError("a draft declares a page twice")  # no replica would take the write
        if len(draft.pages) > PAGES_MAX:
            message = (
                f"This request needs {len(draft.pages)} pages, and one write can use at most {PAGES_MAX} pages. Send a"
                " smaller request."
            )
            raise TooLarge("too_many_pages", message)
        self._check_active(draft.app)
        if self._hung and _hash_of(draft) in self._hung:
            raise hung("", draft.app)
        body = draft.encode_body()
        if len(body.encode()) > WRITE_BYTES_MAX:
            message = (
                f"This request is too large: its write would have more than {WRITE_BYTES_MAX} bytes. Send less text."
            )
            raise TooLarge("too_large", message)
        request = _Accept(draft, now_us, body, self._mode, needs, birth, shown)
        return self._accepted(self._accepting.submit(request), shown)

    def _accept_all(self, requests: Sequence[_Accept]) -> list[dict[str, Any]]:
        arguments: list[Any] = []
        for _, now_us, body, commit_mode, needs, birth, shown in requests:
            arguments += now_us, body, commit_mode, _json(vector_texts(needs)), birth, _json(shown)
        try:
            return list(json.loads(self.run("accept", *arguments)))
        except Hung:
            if len(requests) > 1:
                raise  # the requests are sent again, one by one
            draft = requests[0].draft
            self._note_hung(_hash_of(draft), draft.app)
            raise hung("", draft.app) from None

    def _accepted(self, reply: Mapping[str, Any], shown: Sequence[str] = ()) -> Accepted:
        status = reply["status"]
        if status == "behind":
            raise _behind(reply["missing"])
        if status == "foreign":
            raise _foreign()
        if status == "clock":
            raise BadInput("clock", "This replica's clock is beyond the year 2255. Correct the clock.", field="clock")
        if status == "clock_behind":
            raise self._clock_behind(reply)
        if status in _REFUSED:
            raise Conflict(*_REFUSED[status])
        pages = {}
        if status == "logged":
            pages = _views(shown, reply.get("pages", ()))
            stamp, server = split_id(reply["id"])
            self._acknowledged.note_write(server, stamp, is_committed=reply["committed"])
        birth = reply.get("birth", "")
        return Accepted(reply.get("id"), reply["outcome"], reply.get("committed", False), birth, pages)

    def read(self, pages: Sequence[str], needs: Vector = NOTHING, view: str = "tentative", birth: str = "") -> Snapshot:
        """Return pages in both views, and the vectors of the same moment. A page that does not exist has no fields. One
        transaction may read for several threads.

        Raises Behind if the vector of `view` (`tentative` or `committed`) does not cover `needs`. Also raises Behind if
        this replica knows another birth of its cluster.
        """
        moment, reply = self._reading.submit(_Read(needs, birth, view, pages))
        if "missing" in reply:
            raise _behind(reply["missing"])
        if "foreign" in reply:
            raise _foreign()
        self._acknowledged.note_csn(moment["csn"])
        return Snapshot(pages=_views(pages, reply), **moment)

    def _read_all(self, requests: Sequence[_Read]) -> list[tuple[dict[str, Any], Sequence[Any]]]:
        """Return a pair for each request. The first item has the vectors, the CSN, the history and the birth of one
        moment. It is the same for all requests. The second item has the views of the request's pages. For a request
        that must be refused, the second item is a dictionary with the key `missing` or `foreign`."""
        arguments: list[Any] = []
        for needs, birth, view, pages in requests:
            arguments += _json(vector_texts(needs)), birth, view, json.dumps(list(pages))
        found = json.loads(self.run("read_pages", *arguments))
        vectors = {name: json_vector(found[name]) for name in ("vector", "committed_vector")}
        moment = {**vectors, "csn": int(found["csn"]), "history": found["history"], "birth": found["birth"]}
        return [(moment, reply) for reply in found["replies"]]

    def list_entries(self, name: str) -> list[str]:
        """Return the entries of an application's list, sorted bytewise."""
        return [entry.decode() for entry in sorted(self._redis.smembers(self._keys.list + name))]

    def count_entries(self, name: str) -> int:
        """Return how many entries an application's list has."""
        return int(self._redis.scard(self._keys.list + name))

    def is_entry(self, name: str, entry: str) -> bool:
        """Return whether an application's list has this entry."""
        return bool(self._redis.sismember(self._keys.list + name, entry))

    # Anti-entropy; see also FullStateStore.

    def adopt(self, birth: str) -> str:
        """Record that this replica has met a peer with this birth. The birth is the id of the cluster's first primary.

        Returns `adopted` if this replica knew no birth before; this replica now knows `birth`. Returns `known` if this
        replica knew `birth` before. Returns `other_birth` if this replica knows another birth; then nothing changes.
        """
        return str(self.run("adopt", birth).decode())

    def receive(self, selection: Selection, source: str) -> Received:
        """Store the writes of a selection, in the order of the selection. Stop at the first write that cannot be
        stored. `source` is the label of the peer that sent the selection.

        The `status` of the result is `taken` if all writes were stored. Any other status is the reason for the stop.
        Writes that this replica already had count as stored. Raises Hung if the selection's first write cannot be
        stored, because the play of this write, or of another write that must be played again, does not end.
        """
        count = len(selection.items)
        while True:
            try:
                received = self._receive(selection.first(count), source)
            except Hung as error:
                write = error.details["write"]
                if count == 1:  # alone, so the whole batch was not just slow
                    self._note_hung(write, error.details["application"])
                    raise
                # The write is in the selection, or is played again because of one that is.
                ids = [item.id for item in selection.items[:count]]
                count = (ids.index(write) or 1) if write in ids else count // 2
            else:
                is_part = count < len(selection.items) and received.status == "taken"
                return replace(received, status="more") if is_part else received

    def _receive(self, selection: Selection, source: str) -> Received:
        commits = sum([item.csn is not None for item in selection.items])
        lines = b"\n".join([item.body or item.id.encode() for item in selection.items])
        after = selection.after_csn, selection.after_id, selection.history
        received = Received(**json.loads(self.run("receive", self._mode, source, *after, commits, lines)))
        self._acknowledged.note_csn(received.csn)
        return received

    def select(
        self, csn: int, vector: Vector, retired: Sequence[str], count_max: int, bytes_max: int
    ) -> Selection | None:
        """Return the writes that a peer lacks, in the order of sending. The peer holds the commits up to `csn` and the
        writes that `vector` covers. `retired` are the minted ids (LABEL~NONCE) whose retirement the peer knows.

        The selection has at most `count_max` writes. It also ends as soon as its writes have `bytes_max` bytes or more.
        The result is None if the log no longer holds a commit that the peer lacks. The peer then needs the full state.
        """
        arguments = csn, json.dumps(vector_texts(vector)), json.dumps(list(retired)), count_max, bytes_max
        found = self.run("select", *arguments)
        if found is None:
            return None
        after_csn, after_id, history_there, heads, bodies = found
        items, at = [], 0
        for its_csn, identifier, size in json.loads(heads):
            items.append(Item(identifier, its_csn, bodies[at : at + size]))
            at += size
        self._acknowledged.note_csn(max((item.csn or 0 for item in items), default=0))
        self._acknowledged.note_sent(item.id for item in items)
        return Selection(int(after_csn), after_id.decode(), tuple(items), history_there.decode())

    # The log.

    def commit(self) -> int:
        """Commit all tentative writes, oldest first. Returns their number. Raises Conflict if this is not the primary,
        and Hung if the next write cannot be played.

        Each transaction commits up to 500 writes. The method ends early if a commit makes another replica the primary.
        """
        total, left, count_max = 0, 1, BATCH
        while left:
            try:
                reply = json.loads(self.run("commit_tentative", count_max))
            except Hung as error:
                if count_max == 1:
                    self._note_hung(error.details["write"], error.details["application"])
                    raise
                count_max = 1  # up to that write, one by one
                continue
            if reply["status"] == "not_primary":
                if total:  # one of the commits made another replica the primary
                    return total
                raise Conflict(*_REFUSED["not_primary"])
            total, left = total + reply["committed"], reply["left"]
        return total

    def catch_up(self) -> None:
        """Commit all tentative writes if this is the primary and commits automatically. Takes several transactions.
        Stops before a write that cannot be played."""
        state = self.state()
        if state.is_primary and state.tentative and self._mode == "auto":
            with contextlib.suppress(Hung):
                self.commit()

    def resubmit(self, now_us: int) -> int:
        """Make new writes of this replica from the writes that were set aside. Returns how many writes are still set
        aside. Takes several transactions.

        Stops before a write that cannot be played. Makes no write if this replica has retired or does not hold its own
        creation, or if the log has stamps more than a year beyond `now_us`.
        """
        left, count_max = 1, RESUBMITTED
        while left:
            try:
                reply = json.loads(self.run("resubmit", now_us, self._mode, count_max))
            except Hung:
                if count_max == 1:
                    break
                count_max = 1  # up to that write, one by one
                continue
            left = reply.get("left", 0)
        return self.state().set_aside

    def truncate(self, keep: int, *, older_than_us: int | None = None) -> int:
        """Drop the oldest committed writes from the log. Returns how many writes were dropped. Each transaction drops
        up to 500 writes.

        At least the newest `keep` committed writes stay. If `older_than_us` is given, the method stops at the first
        write with this stamp or a later one.
        """
        bound = stamp_text(older_than_us) if older_than_us is not None else "9" * 16
        total = 0
        while dropped := self.run("truncate", keep, bound, BATCH):
            total += dropped
        return total

    # The members of the cluster.

    def members(self) -> list[Member]:
        """Return the created servers, as the tentative view of the membership page lists them."""
        return decode_members(self.read([MEMBERS_PAGE]).pages[MEMBERS_PAGE].tentative)

    def forgotten(self) -> set[str]:
        """Return the labels of the servers that were forgotten and have not returned, as the tentative view of the
        membership page lists them."""
        return decode_forgotten(self.read([MEMBERS_PAGE]).pages[MEMBERS_PAGE].tentative)

    def create(self, *, label: str, rest: str, anti_entropy: str, request: str, now_us: int) -> str:
        """Accept the creation write of a server. Returns the id of that server, `T:X` (Petersen 1997, section 4.4).

        While that server is a member, another call with the same `request` returns the same id. Raises Conflict
        `chain_too_long` if the new id would be too long. The new id contains the id of this server.
        """
        if len(self.state().server) + STAMP_DIGITS + 1 > SERVER_BYTES_MAX:
            raise Conflict(
                "chain_too_long",
                f"A server cannot join through {self._label}. The id of the new server would contain the id of"
                f" {self._label}, and would be too long. Join through a replica that the configuration names.",
            )
        args = {"label": label, "rest": rest, "anti_entropy": anti_entropy, "through": self._label}
        accepted = self._accept_membership("create", request, now_us, args)
        if accepted.id is None:
            return next(member.id for member in self.members() if member.request == request)
        stamp, origin = split_id(accepted.id)
        return f"{stamp_text(stamp)}:{origin}"

    def retire(self, now_us: int) -> str:
        """Accept the retirement write of this server. Returns the id of the write. After this write, the server accepts
        no more writes.

        Raises Conflict if this is the primary.
        """
        accepted = self._accept_membership("retire", f"retire-{now_us}", now_us, {"label": self._label})
        assert accepted.id is not None, "a retirement is always logged"
        return accepted.id

    def forget_server(self, label: str, now_us: int) -> str:
        """Accept a write that marks the server with this label as lost for good. Returns the id of the write."""
        args = {"label": label, "by": self._label}
        accepted = self._accept_membership("forget", f"forget-{now_us}", now_us, args)
        assert accepted.id is not None, "such a write is always logged"
        return accepted.id

    def come_back(self, now_us: int) -> None:
        """Accept a write that removes the mark of `forget_server` from this server."""
        self._accept_membership("return", f"return-{now_us}", now_us, {"label": self._label})

    def activate(self, tag: str, now_us: int) -> str:
        """Accept a write that makes `tag` (NAME/VERSION) the active version of its application; see `active_tag`.
        Returns the id of the write. The write takes effect once it is committed."""
        accepted = self._accept_membership("activate", f"activate-{now_us}", now_us, {"application": tag})
        assert accepted.id is not None, "an activation is always logged"
        return accepted.id

    def active_tag(self, name: str) -> str:
        """Return the tag of an application's active version. New writes of clients get this tag. The active version is
        the version that was activated. If no version was activated, it is the oldest version that this replica can
        play.

        If the log may hold writes of a newer version, the newer version is active without an activation. This is safe,
        because a replica that cannot play the newer version has no sessions with this replica.
        """
        versions = self._versions[name]
        newest = f"{name}/{max(versions)}"
        if newest in self._active_for_good:
            return newest
        active = self.read([MEMBERS_PAGE]).pages[MEMBERS_PAGE].committed.get(f"active:{name}")
        tags = {tag.decode() for tag in self._redis.smembers(self._keys.log_applications)}
        noted = [version for version in versions if f"{name}/{version}" in tags]
        tag = f"{name}/{max([int(active or min(versions)), *noted])}"
        if tag == newest:
            self._active_for_good.add(tag)
        return tag

    def _check_active(self, tag: str) -> None:
        """Raise Conflict if this version of an application is newer than the active version. An older version is
        accepted, because that version may have been active when the write was made."""
        name, _, version = tag.partition("/")
        if len(self._versions.get(name, ())) < 2:
            return
        active = self.active_tag(name)
        if int(version) > int(active.partition("/")[2]):
            raise Conflict(
                "not_active",
                f"Clients cannot use the application version {tag} yet. The active version in this cluster is {active}."
                f" When all replicas can play {tag}, run `admin activate {tag}`.",
            )

    def hand_over(self, to: str, now_us: int) -> None:
        """Hand the role of the primary over to the server `to`. Raises Conflict if this replica is not the primary.

        Commits all tentative writes, and then a write that names `to` as the primary. That write is the last commit of
        this server. This takes several transactions. Raises Conflict `pending` if new writes arrived between these
        transactions.
        """
        self.commit()
        label = label_of(to, self.members()) or to
        args = {"from": self.state().server, "to": to, "label": label}
        self._accept_membership("primary", f"primary-{now_us}", now_us, args, mode="now")

    def force(self, server: str, now_us: int, *, heals: bool = False) -> None:
        """Become the primary without asking the old primary. This begins a new epoch, and this replica gets the new id
        `server`. Set `heals` if this promotion is necessary because a copy of this replica has run.

        In `auto` mode, the method then commits all tentative writes. Raises Conflict `moved_on` if the epoch changed
        while this method ran. Raises Conflict `clock_behind` if the log has stamps more than a year beyond `now_us`.
        """
        epoch = history.decode(self.state().history)[-1:]
        number = epoch[0].number + 1 if epoch else 1
        args = {"to": server, "epoch": number, "label": self._label} | ({"heals": True} if heals else {})
        draft = membership_draft("primary", f"primary-{now_us}", _iso(now_us), args)
        reply = json.loads(self.run("force", now_us, server, draft.encode_body(), number))
        if reply["status"] == "clock_behind":
            raise self._clock_behind(reply)
        if reply["status"] != "logged":
            raise Conflict(
                "moved_on",
                "Another promotion took effect at the same time, so this promotion was not done. See which replica"
                " is the primary: `replicas`. Promote again only if that replica must not be the primary.",
            )
        self.catch_up()

    def _accept_membership(
        self, op: str, request: str, now_us: int, args: Mapping[str, Any], mode: str | None = None
    ) -> Accepted:
        draft = membership_draft(op, request, _iso(now_us), args)
        (reply,) = self._accept_all([_Accept(draft, now_us, draft.encode_body(), mode or self._mode, NOTHING, "", ())])
        return self._accepted(reply)

    def _clock_behind(self, reply: Mapping[str, Any]) -> Conflict:
        clock, newest = moment(int(reply["clock"])), moment(int(reply["newest"]))
        return Conflict(
            "clock_behind",
            f"The clock of {self._label} says {clock}. The newest stamp in the log of {self._label} is {newest},"
            " which is more than a year later. If the clock is wrong, correct the clock. If the clock is right, the"
            f" stamp is wrong: start {self._label} once with the option --restored.",
        )


def _hash_of(draft: Draft) -> str:
    """Return a hash of everything on which the play of a draft depends, except the user and the time."""
    text = json.dumps([draft.app, draft.op, draft.check, draft.merge, draft.args, draft.pages], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: Mapping[str, str] | Sequence[str]) -> str:
    return json.dumps(value) if value else ""


def _views(pages: Sequence[str], found: Sequence[Any]) -> dict[str, PageViews]:
    """Map each page to its views. `found` has the views in the form that lua/engine/views.lua returns."""
    return {
        page: page_views(json_map(committed), None if tentative is False else json_map(tentative))
        for page, (committed, tentative) in zip(pages, found, strict=True)
    }


def _behind(missing: Mapping[str, str]) -> Behind:
    return Behind(
        "session_ahead",
        "This replica has not yet received all writes that your client session has seen or made. Try again"
        " later, or use another replica.",
        missing=missing,
    )


def _foreign() -> Behind:
    return Behind(
        SESSION_FOREIGN,
        "Your client session began in another cluster, or before this cluster was started again with new data. To begin"
        " a new client session, send an empty Bayou-Session header.",
    )


def _iso(now_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)).isoformat(timespec="seconds")
