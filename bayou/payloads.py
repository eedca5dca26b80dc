"""The contents of frames (writes, and parts of a full state), and the results of the store's methods."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bayou.state import Vector

RECENT_MAX = 1_000  # ids of commits that are known after their writes were dropped from the log


@dataclass(frozen=True, slots=True)
class Item:
    """One write of a batch. `csn` is None if the write is tentative. A commit without a body is a notification: the
    receiver holds the write already, and needs only the CSN."""

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
    after        the hashes of the commits after the last one that is sent with the seal, up to `csn`
    certificate  the certificate of the signer
    """

    csn: int
    before: bytes
    after: bytes
    certificate: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal in a store. The seal covers the commits after the CSN `start`, up to `csn`. `before` and `digest` are the
    running hashes before and after these commits. `epoch` is the id of the server that began the epoch of these
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
    """A commit that named another primary. `csn` is the CSN of this commit, and `body` has the canonical bytes. `seal`
    is a seal of the server that made the commit; None if no seal is known. `deposed` is the id of the previous primary;
    empty if the id is not known."""

    csn: int
    body: bytes
    seal: Seal | None
    deposed: str = ""


@dataclass(frozen=True, slots=True)
class StateProof:
    """A primary's signature over its full state. `successions` are commits that named another primary. The signer sends
    those that it knows, up to the CSN of the state."""

    certificate: bytes
    signature: bytes
    successions: tuple[Succession, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Writes that a peer lacks. The commits come before the tentative writes, and are in CSN order. `after_csn` and
    `after_id` are the CSN and the id of the commit before these commits.

    `history` is the history of the sender's log, as canonical JSON. The receiver needs the history, because two
    histories may give the same CSN to different writes. `seals` prove the commits; without TLS there are no seals. Each
    seal covers the commits after the previous seal, up to the CSN of the seal.
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
    """The result of a batch at the receiver. `taken` is how many items of the batch the receiver holds now. `new` is
    how many of these items changed something. `added` is how many of these items are writes that the receiver did not
    hold before.

    The status is one of these. After each status from `diverged` on, the receiver refuses the session at once:

    taken            the receiver holds the whole batch
    more             the transaction reached its size limit; another transaction must store the rest
    hole             the next write does not follow the writes held here; the sender must make a new plan
    unknown          a notification names a write that is not held here; the sender must make a new plan
    fork             two different writes have the same id, or the same place in the order of their server; the
                     receiver first sends all writes that the sender lacks, and then refuses the session
    diverged         the committed logs differ
    own              a fork of this server's own writes; this server needs a new id
    bound            a fork, and the writes after the fork cannot be set aside here, because one of them creates or
                     retires a server or names a primary
    foreign_commit   this replica is the primary, and did not make the next commit
    early_promotion  a tentative write opens an epoch that is not known here
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
    """Committed pages of a full state. `count` is the number of pages.

    `text` is JSON: [[name, CSN, [field, value, ...]], ...]. CSN is a text, and belongs to the last commit that changed
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
    """A commit of the log. `outcome` is the outcome of the commit, as STATUS DETAIL."""

    id: str
    csn: int
    body: bytes
    outcome: str


@dataclass(frozen=True, slots=True)
class StateEnd:
    """The end of a full state. The end describes the sender at the moment of the state.

    vector   the vector of the commits
    history  the history as canonical JSON
    recent   the ids of the newest commits, at most RECENT_MAX. With these ids, the receiver compares its log with other
             logs, because few writes come with the state.
    commits  how many commits come with the state. These commits are the newest ones of the log.
    before   the id of the commit before these commits
    digest   the digest of the log up to the commit `before`; '' if the digest is not known
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
    """The size of a replica's full state at the CSN `csn`: the number of pages, and the number of commits that come
    with the pages."""

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
    """What is known of two logs before a full state is installed (bayou/comparison.py). "Here" means at the receiver.

    common_csn   the last CSN that the two logs share; None if the histories are the same and the logs were not compared
    lacking      ids of writes here that the sender has never held
    asked        ids of all writes here that the receiver asked the sender about; None if the state comes from a file
    takes_birth  true if the receiver accepts a state whose birth differs from its own birth
    """

    common_csn: int | None = None
    lacking: tuple[str, ...] = ()
    asked: tuple[str, ...] | None = None
    takes_birth: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """The result of an installation. The status is `installed`, or a status that AntiEntropyStore.install explains.

    kept        how many writes of this replica were kept, because the new state does not cover these writes
    revoked     ids of the writes that were committed here and are tentative again
    set_aside   ids of the writes that no longer have a place in the order, and that this replica will make again
    lost        ids of the writes that no longer have a place in the order and cannot be made again. Each of these
                writes creates or retires a server or names a primary.
    lost_pages  names of the pages that revoked commits had changed, if the log no longer held these commits
    """

    status: str
    kept: int
    revoked: tuple[str, ...]
    set_aside: tuple[str, ...]
    lost: tuple[str, ...]
    lost_pages: tuple[str, ...]
