"""The frames of an anti-entropy session. They are the same for every transport: gRPC, the simulation, a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayou.payloads import ListPart, LoggedCommit, Selection, StateEnd, StatePages, StateProof
from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of each side. It says who speaks and what that replica holds. Most fields are those of
    bayou.state.State.

    `applications` has an entry for each application whose writes the replica can play: its tag, and a hash of its
    rules. `log_applications` has the tags of all writes that the replica's log has ever held. `settings` has the
    settings of the replica that should be the same everywhere, by name. `clock` is the replica's wall clock, in
    microseconds since 1970. `standing` says that the session shall stay open; it stays open if both hellos say so.
    `requested` says that a person asked for the session. `digest` is that of the log up to `csn`, or '' if it is not
    known.
    """

    protocol: int
    cluster: str
    server: str
    label: str
    birth: str
    met: bool
    history: str
    csn: int
    last: str
    vector: Vector
    retired_servers: tuple[str, ...]
    retired: bool
    applications: Mapping[str, str]
    log_applications: tuple[str, ...]
    clock: int
    settings: Mapping[str, str]
    standing: bool = False
    requested: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some writes, in the order in which the receiver must store them. `plan` is the number of the sender's plan: it
    grows each time that the receiver asks for a new plan."""

    plan: int
    selection: Selection


@dataclass(frozen=True, slots=True)
class StateChunk:
    """A part of the sender's full state. `number` counts the parts of a plan from 0. `commits` are some of the newest
    commits, with consecutive CSNs; the receiver puts them into its log.

    If `first` is true, the state begins with this part, and the receiver gives up the parts that it has staged before.
    This may happen in the middle of a plan, if the sender itself has installed another state meanwhile.
    """

    plan: int
    number: int
    first: bool
    pages: StatePages
    lists: tuple[ListPart, ...]
    commits: tuple[LoggedCommit, ...] = ()


@dataclass(frozen=True, slots=True)
class StateFinish:
    """Tells the receiver that all `number` parts are sent, and that it shall install the state. The receiver answers
    with an Ack that asks for a new plan. Without TLS there is no `proof`."""

    plan: int
    number: int
    end: StateEnd
    proof: StateProof | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the sender of a full state, before the state is installed. It asks two things: which ids the
    commits with the CSNs `csns` have, and which of the writes `ids` the sender has never held."""

    csns: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers a Question. For each CSN of the question, `commits` has the id of the commit, empty if the log does not
    hold it, and `digests` has the digest of the log up to that CSN, empty if it is not known. `lacking` has the ids of
    writes that the sender of the state has never held. `unknown` has the ids of writes that it may have held and
    dropped from its log."""

    commits: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """Tells the sender of a frame that the frame is stored. If `replan` is true, it asks for a new plan: then `csn`,
    `vector` and `retired_servers` say which commits and writes the receiver of the frame holds now, and which retired
    servers it knows. If `was_known` is true, the receiver already had every write in the frame, though perhaps not the
    commits of these writes."""

    plan: int
    replan: bool
    csn: int
    vector: Vector
    retired_servers: tuple[str, ...] = ()
    was_known: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """In a standing session: tells the peer what this side holds by now, so that the peer does not send these writes.

    `csn` is the CSN of this side. `vector` has only the entries that have changed since the peer was last told;
    `retired_servers` is complete.
    """

    csn: int
    vector: Vector
    retired_servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """In a standing session: confirms that the receiver of the Sync has acknowledged everything that its sender held at
    an earlier moment.

    A Sync is a question or an answer. The receiver of a question sends an answer with the same number. An answer
    confirms what its sender held when the question arrived.
    """

    number: int
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Tells the peer that the sender has nothing left to send, and ends a session."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Ends the session, and says why. `code` is a PeerRefusalCode, or a code that only a newer release knows."""

    code: str
    message: str


Frame = Hello | Batch | StateChunk | StateFinish | Question | Answer | Ack | Holds | Sync | Done | Refuse
