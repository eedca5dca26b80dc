"""A replica's state in Redis: every change is one Lua transaction (storage/lua), every method one step.

Atomic by construction: a method either did all of what it says or raised with nothing done; but a lost connection
leaves open which, and every script is safe to run again. Knows the namespace and the applications, not the network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from bayou import history
from bayou.application import Accepted, LuaApplication, PageViews, Snapshot
from bayou.errors import BadInput, Behind, Conflict, TooLarge
from bayou.frame_validation import SERVER_BYTES_MAX
from bayou.payloads import Item, Received, Selection
from bayou.stamps import STAMP_DIGITS, split_id, stamp_text
from bayou.state import State, Vector
from bayou.write import PAGES_MAX, WRITE_BYTES_MAX, Draft
from storage import members
from storage.full_state import Ids, Transfer
from storage.group_commit import Gathered
from storage.keys import FORM
from storage.members import Member
from storage.queries import Digest, Gap, LogEntry, Screens, Vitals
from storage.script_runner import flat_map, page_views, stamps, texts

__all__ = ["Digest", "Gap", "LogEntry", "Member", "Store", "Vitals"]

BATCH = 500  # writes that one transaction commits or truncates at the most
NOTHING: Vector = {}

_REFUSED = {
    # status of accept.lua: (code, sentence)
    "retired": ("retired", "This replica has retired and takes no more writes. Use another replica."),
    "is_primary": ("is_primary", "The primary cannot retire. Promote another replica first."),
    "not_primary": ("not_primary", "Only the primary can do this, and this replica is not the primary."),
    "pending": ("pending", "Tentative writes wait for their commit here. Try again."),
}


class Store(Screens, Transfer):
    """The namespace of one replica. `commit_mode` is `auto` or `manual`; `ids` is absent where there is no birth file;
    `emptied` is called when a script finds that the namespace is gone."""

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        *,
        commit_mode: str = "auto",
        ids: Ids | None = None,
        emptied: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(client, label, applications, ids=ids, emptied=emptied)
        self._commit_mode = commit_mode
        self._accepting = Gathered(self._accept_all)
        self._reading = Gathered(self._read_all)

    def begin(self, *, server: str, cluster: str, first_primary: bool) -> None:
        """Open the namespace for a server id; a new one is made, as the birth of the cluster for the first primary."""
        status = self._run("begin", server, self._label, cluster, "birth" if first_primary else "", FORM)
        if status == b"other_form":
            raise Conflict(
                "other_release",
                f"What is kept of {self._label} was written by another release, in a form that this one cannot read."
                " Go on with that release, or start without the data: what its peers hold comes back from them.",
            )
        if status != b"opened":
            raise Conflict(
                "other_cluster",
                f"The namespace of {self._label} in Redis belongs to another cluster. Use another Redis, or the"
                " configuration (name of the cluster and its replicas) that made it.",
            )

    def state(self) -> State:
        """Identity, vectors and counters of one moment."""
        found = json.loads(self._run("read_state"))
        meta = flat_map(found["meta"])
        return State(
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
            vector=stamps(found["vector"]),
            committed_vector=stamps(found["committed_vector"]),
            omitted_vector=stamps(found["omitted_vector"]),
            retired_servers=tuple(sorted(found["retired"])),
            retired=bool(meta["retired"]),
            tentative=found["tentative"],
            clock=int(found["clock"]),
        )

    def adopt(self, birth: str) -> str:
        """Meet a peer of this birth: `adopted` (none was known), `known`, or `other_birth` (nothing changed)."""
        return str(self._run("adopt", birth).decode())

    def accept(self, draft: Draft, now_us: int, needs: Vector = NOTHING, shown: Sequence[str] = ()) -> Accepted:
        """Take a client's write: stamp it, play it, log it; commit it at once at the primary in automatic mode.

        If it was logged, the answer has the pages `shown`. Behind when V does not cover `needs`, Conflict when this
        replica has retired; nothing is recorded then.
        """
        if len(set(draft.pages)) < len(draft.pages):
            raise ValueError("a draft declares a page twice")  # no replica would take it
        if len(draft.pages) > PAGES_MAX:
            raise TooLarge(
                "too_many_pages", f"This needs {len(draft.pages)} pages; at most {PAGES_MAX} go in one write."
            )
        body = draft.encode_body()
        if len(body.encode()) > WRITE_BYTES_MAX:
            raise TooLarge("too_large", f"This is more than {WRITE_BYTES_MAX} bytes as a write. Send less text.")
        return self._accepted(self._accepting.ask((now_us, body, self._commit_mode, needs, shown)), shown)

    def _accept_all(self, asked: Sequence[tuple[int, str, str, Vector, Sequence[str]]]) -> list[dict[str, Any]]:
        """(microseconds, encoded body, commit mode, needs, pages to show) each, in one transaction."""
        arguments: list[Any] = []
        for now_us, body, mode, needs, shown in asked:
            arguments += now_us, body, mode, _json(texts(needs)), _json(shown)
        return list(json.loads(self._run("accept", *arguments)))

    def _accepted(self, reply: Mapping[str, Any], shown: Sequence[str] = ()) -> Accepted:
        status = reply["status"]
        if status == "behind":
            raise _behind(reply["missing"])
        if status == "clock":
            raise BadInput("clock", "This replica's clock is beyond the year 2255. Set it right.", field="clock")
        if status in _REFUSED:
            raise Conflict(*_REFUSED[status])
        pages = _views(shown, reply.get("pages", ())) if status == "logged" else {}
        return Accepted(reply.get("id"), reply["outcome"], reply.get("committed", False), pages)

    def receive(self, selection: Selection, source: str) -> Received:
        """Take a peer's batch in its order; stops at the first item that does not fit, and says why."""
        commits = sum([item.csn is not None for item in selection.items])
        lines = b"\n".join([item.body or item.id.encode() for item in selection.items])
        after = selection.after_csn, selection.after_id, selection.history
        return Received(**json.loads(self._run("receive", self._commit_mode, source, *after, commits, lines)))

    def select(
        self, csn: int, vector: Vector, retired: Sequence[str], count_max: int, bytes_max: int
    ) -> Selection | None:
        """What a peer with this CSN, vector and retired minted ids lacks, in the order of sending.

        None when commits that it lacks were dropped from the log: it needs the full state.
        """
        arguments = csn, json.dumps(texts(vector)), json.dumps(list(retired)), count_max, bytes_max
        found = self._run("select", *arguments)
        if found is None:
            return None
        after_csn, after_id, history_there, heads, bodies = found
        items, at = [], 0
        for its_csn, identifier, size in json.loads(heads):
            items.append(Item(identifier, its_csn, bodies[at : at + size]))
            at += size
        return Selection(int(after_csn), after_id.decode(), tuple(items), history_there.decode())

    def commit(self) -> int:
        """Commit what is tentative here, oldest first, if this is the primary; returns how many."""
        total, left = 0, 1
        while left:
            reply = json.loads(self._run("commit", BATCH))
            if reply["status"] == "not_primary":
                if total:  # what was committed made another one the primary
                    return total
                raise Conflict(*_REFUSED["not_primary"])
            total, left = total + reply["committed"], reply["left"]
        return total

    def catch_up(self) -> None:
        """Commit what a new primary found tentative, in automatic mode; nothing where this is not the primary."""
        state = self.state()
        if state.is_primary and state.tentative and self._commit_mode == "auto":
            self.commit()

    def read(self, pages: Sequence[str], needs: Vector = NOTHING, view: str = "tentative") -> Snapshot:
        """Pages in both views and the vectors, of one moment; a page that does not exist is empty.

        Behind when the vector of `view` (V for `tentative`, C for `committed`) does not cover `needs`.
        """
        moment, reply = self._reading.ask((needs, view, pages))
        if "missing" in reply:
            raise _behind(reply["missing"])
        return Snapshot(pages=_views(pages, reply), **moment)

    def _read_all(
        self, asked: Sequence[tuple[Vector, str, Sequence[str]]]
    ) -> list[tuple[dict[str, Any], Sequence[Any]]]:
        """(needs, view, pages) each, of one moment, whose vectors and CSN stand beside each reply."""
        arguments: list[Any] = []
        for needs, view, pages in asked:
            arguments += _json(texts(needs)), view, json.dumps(list(pages))
        found = json.loads(self._run("read_pages", *arguments))
        vectors = {name: stamps(found[name]) for name in ("vector", "committed_vector")}
        moment = {**vectors, "csn": int(found["csn"]), "history": found["history"]}
        return [(moment, reply) for reply in found["replies"]]

    def members(self, name: str) -> list[str]:
        """An application's append-only list, sorted bytewise."""
        return [member.decode() for member in sorted(self._redis.smembers(self._keys.list + name))]

    def truncate(self, keep: int, *, older_than_us: int | None = None) -> int:
        """Drop committed writes from the log but the newest `keep`, and those accepted since; returns how many."""
        bound = stamp_text(older_than_us) if older_than_us is not None else "9" * 16
        total = 0
        while dropped := self._run("truncate", keep, bound, BATCH):
            total += dropped
        return total

    def members_of_cluster(self) -> list[Member]:
        """The created servers, as the tentative view knows them."""
        return members.decode(self.read([members.PAGE]).pages[members.PAGE].tentative)

    def create(self, *, label: str, rest: str, anti_entropy: str, request: str, now_us: int) -> str:
        """Accept the creation write of a server; returns its id, `T:X` (Petersen 1997, section 4.4).

        Asked again with the same `request` while that server is a member, it returns the id that it gave. Conflict
        where the id would be longer than any replica takes, for it holds that of its creator.
        """
        if len(self.state().server) + STAMP_DIGITS + 1 > SERVER_BYTES_MAX:
            raise Conflict(
                "chain_too_long",
                f"{self._label} was itself created by one that was created, and so on: too many one after another."
                " Join through another replica, best one that the configuration names.",
            )
        args = {"label": label, "rest": rest, "anti_entropy": anti_entropy, "through": self._label}
        accepted = self._accept_member("create", request, now_us, args)
        if accepted.id is None:
            return next(member.id for member in self.members_of_cluster() if member.request == request)
        stamp, origin = split_id(accepted.id)
        return f"{stamp_text(stamp)}:{origin}"

    def retire(self, now_us: int) -> str:
        """Accept this server's own retirement; it takes no more writes. Returns the write's id."""
        accepted = self._accept_member("retire", f"retire-{now_us}", now_us, {"label": self._label})
        assert accepted.id is not None, "a retirement is always logged"
        return accepted.id

    def hand_over(self, to: str, now_us: int) -> None:
        """At the primary: commit a primary write that names the next primary, as this one's last CSN."""
        self.commit()
        label = members.label_of(to, self.members_of_cluster()) or to
        args = {"from": self.state().server, "to": to, "label": label}
        self._accept_member("primary", f"primary-{now_us}", now_us, args, mode="now")

    def force(self, server: str, now_us: int) -> None:
        """Become the primary without the old one, under the new id `server`: open an epoch, commit what is here."""
        epoch = history.decode(self.state().history)[-1:]
        number = epoch[0].number + 1 if epoch else 1
        args = {"to": server, "epoch": number, "label": self._label}
        draft = members.draft("primary", f"primary-{now_us}", _iso(now_us), args)
        reply = json.loads(self._run("force", now_us, server, draft.encode_body(), number))
        if reply["status"] != "logged":
            raise Conflict("moved_on", "The epoch has changed meanwhile. Look who is primary now, and decide again.")
        self.catch_up()

    def _accept_member(
        self, op: str, request: str, now_us: int, args: Mapping[str, Any], mode: str | None = None
    ) -> Accepted:
        draft = members.draft(op, request, _iso(now_us), args)
        (reply,) = self._accept_all([(now_us, draft.encode_body(), mode or self._commit_mode, NOTHING, ())])
        return self._accepted(reply)


def _json(value: Mapping[str, str] | Sequence[str]) -> str:
    return json.dumps(value) if value else ""


def _views(pages: Sequence[str], found: Sequence[Any]) -> dict[str, PageViews]:
    """Page -> its views, of the flat lists that Lua gives; a list without entries is an object there."""
    return {
        page: page_views(flat_map(committed), None if tentative is False else flat_map(tentative))
        for page, (committed, tentative) in zip(pages, found, strict=True)
    }


def _behind(missing: Mapping[str, str]) -> Behind:
    return Behind(
        "session_ahead",
        "This replica has not yet received what your session has seen or written. Wait, or use another replica.",
        missing=missing,
    )


def _iso(now_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)).isoformat(timespec="seconds")
