"""The contents of frames (writes, and parts of a full state), and the results that a store returns for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bayou.state import Vector

RECENT_MAX = 1_000  # ids of commits that are known after their writes were dropped from the log


@dataclass(frozen=True, slots=True)
class Item:
    """One write of a batch. `csn` is None if the write is tentative. A commit without a body is a notification: the
    receiver holds the write already, and needs only its CSN."""

    id: str
    csn: int | None
    body: bytes

    @property
    def is_notification(self) -> bool:
        return self.csn is not None and not self.body


@dataclass(frozen=True, slots=True)
class Seal:
    """A primary's signature over its commits up to `csn`; see bayou/seals.py.

    before       the running hash before the first commit that is sent with the seal
    after        the hashes of the later commits that the seal covers; these commits are not sent with the seal
    certificate  the certificate of the signer
    """

    csn: int
    before: bytes
    after: bytes
    certificate: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal as a store keeps it. It covers the commits after the CSN `start`, up to `csn`. `before` and `digest` are
    the running hashes before and after these commits. `epoch` is the id of the server that began the epoch of these
    commits."""

    start: int
    csn: int
    before: bytes
    digest: bytes
    epoch: str
    certificate: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Succession:
    """A commit with which another server became the primary: its CSN, the canonical bytes of the write, and a seal of
    the server that made the commit. The seal is None if none is known. `deposed` is the id of the server that was the
    primary before; empty if it is not known."""

    csn: int
    body: bytes
    seal: Seal | None
    deposed: str = ""


@dataclass(frozen=True, slots=True)
class StateProof:
    """A primary's signature over its full state. `successions` are the commits of the state that named another primary,
    as far as the signer knows them."""

    certificate: bytes
    signature: bytes
    successions: tuple[Succession, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Writes that a peer lacks: first commits in CSN order, then tentative writes. `after_csn` and `after_id` are the
    CSN and the id of the commit before the first commit of the selection.

    `history` is the history of the sender's log, as canonical JSON. It is sent because one CSN may belong to different
    writes in two histories. `seals` prove the commits; without TLS there are none. Each seal covers the commits after
    those of the previous seal, up to its own CSN.
    """

    after_csn: int
    after_id: str
    items: tuple[Item, ...]
    history: str = "[]"
    seals: tuple[Seal, ...] = ()

    def first(self, count: int) -> Selection:
        """Return the first `count` items of the selection."""
        return replace(self, items=self.items[:count])

    def after(self, taken: int) -> Selection:
        """Return the rest of the selection after its first `taken` items."""
        rest, commits = self.items[taken:], [item.id for item in self.items[:taken] if item.csn is not None]
        if not commits:
            return replace(self, items=rest)
        return replace(self, after_csn=self.after_csn + len(commits), after_id=commits[-1], items=rest)


@dataclass(frozen=True, slots=True)
class Received:
    """The result of a batch at the receiver. `taken` items of the batch are now stored. `new` of them changed
    something, and `added` of them are writes that the receiver did not hold before.

    status  taken     everything is stored
            more      the transaction reached its size limit; store the rest in another transaction
            hole      the next write does not follow the writes held here; make a new plan
            unknown   a notification names a write that is not held here; make a new plan
            fork      two different writes follow the same write; store nothing more; refuse the session when
                      everything is sent
            bound     a fork, and this replica cannot set aside its own writes after the fork, because one of them
                      creates or retires a server or names a primary; refuse the session
            own       a fork of this server's own writes: this server needs a new id; refuse the session
            diverged  the committed logs differ; refuse the session
            foreign_commit   this replica is the primary, and did not make the next commit; refuse the session
            early_promotion  a tentative write opens an epoch that is not known here; refuse the session
    """

    status: str
    taken: int
    new: int
    added: int
    csn: int
    rolled_back: int
    replayed: int


@dataclass(frozen=True, slots=True)
class StatePages:
    """`count` committed pages of a full state, in the form in which stores exchange pages.

    `text` is JSON: [[name, CSN, [field, value, ...]], ...]. The CSN is text. It belongs to the last commit that changed
    the page.
    """

    count: int = 0
    text: bytes = b"[]"


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some entries of a list that an application keeps."""

    name: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A commit of the log, with the outcome of its play: STATUS DETAIL."""

    id: str
    csn: int
    body: bytes
    outcome: str


@dataclass(frozen=True, slots=True)
class StateEnd:
    """The end of a full state. It describes the sender at the moment of the state: the CSN, the vector of the commits,
    the history as canonical JSON, and in `recent` the ids of the newest commits, at most RECENT_MAX. The receiver gets
    few writes with the state. With these ids, it can still compare its log with the logs of other replicas.

    `commits` is the number of commits that come with the state: the newest ones of the log. `before` is the id of the
    commit before them. `digest` is the digest of the log up to the commit `before`, or '' if it is not known.
    """

    csn: int
    last: str
    clock: int
    birth: str
    primary: str
    history: str
    vector: Vector
    recent: tuple[str, ...] = ()
    commits: int = 0
    before: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class StateSize:
    """How large the full state of a replica is at the CSN `csn`: the number of pages, and of the commits that come with
    them."""

    csn: int
    pages: int
    commits: int


@dataclass(frozen=True, slots=True)
class StatePart:
    """Some pages of a full state. The next part begins after `cursor` (CSN, page). Only the last part has an `end`.

    `generation` changes when this replica installs another state. Parts of different generations cannot be combined.
    """

    pages: StatePages
    cursor: tuple[int, str]
    end: StateEnd | None
    generation: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of two logs before a full state is installed (bayou/comparison.py).

    common_csn   the last CSN that the two logs share; None if the histories are the same and nothing was asked
    lacking      ids of writes here that the sender has never held
    asked        ids of all writes here that the sender was asked about; None if the state comes from a file
    takes_birth  whether the state may have another birth, because this replica yields to the sender
    """

    common_csn: int | None = None
    lacking: tuple[str, ...] = ()
    asked: tuple[str, ...] | None = None
    takes_birth: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """The result of an installation. The status is `installed`, `superseded`, `stale` or `foreign_commit`; see
    AntiEntropyStore.install.

    kept        how many writes were kept, because the new state does not cover them
    revoked     the writes that were committed here and are tentative again
    set_aside   the writes that no longer have a place in the order; this replica will make them again
    lost        the writes that no longer have a place in the order, and cannot be made again because they create or
                retire a server or name a primary
    lost_pages  the pages that were changed by revoked commits, if the log no longer held these commits
    """

    status: str
    kept: int
    revoked: tuple[str, ...]
    set_aside: tuple[str, ...]
    lost: tuple[str, ...]
    lost_pages: tuple[str, ...]
