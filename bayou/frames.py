"""The frames of an anti-entropy session. The frames are the same for every transport: gRPC, the simulation, a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayou.payloads import ListPart, LoggedCommit, Selection, StateEnd, StatePages, StateProof
from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of each side. A hello names the sender, and says what the sender holds. Most fields are those of
    bayou.state.State.

    applications      for each application whose writes the sender can play: its tag, and a hash of its rules
    clock             the sender's wall clock, in microseconds since 1970
    settings          the settings that should be the same at every replica, by name
    standing          whether the sender asks for a standing session; the session stays open if both sides ask for this
    requested         whether a person asked for the session
    digest            the digest of the sender's log up to `csn`; '' if the digest is not known
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
    """Some writes, in the order in which the receiver must store them. `plan` is the number of the sender's plan. This
    number grows each time that the receiver asks for a new plan."""

    plan: int
    selection: Selection


@dataclass(frozen=True, slots=True)
class StateChunk:
    """A part of the sender's full state. `number` counts the parts of a plan from 0. `commits` has some of the newest
    commits of the log, with consecutive CSNs. The receiver puts these commits into its own log.

    If `first` is true, the state begins with this part, and the receiver discards all parts that it has staged before.
    A state may begin again in the middle of a plan, for example because the sender has installed another state.
    """

    plan: int
    number: int
    first: bool
    pages: StatePages
    lists: tuple[ListPart, ...]
    commits: tuple[LoggedCommit, ...] = ()


@dataclass(frozen=True, slots=True)
class StateFinish:
    """Tells the receiver that all `number` parts are sent. The receiver installs the state, and answers with an Ack
    that asks for a new plan. `proof` has a primary's signature over the state; it is None without TLS."""

    plan: int
    number: int
    end: StateEnd
    proof: StateProof | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the sender of a full state, before the state is installed. The question asks for the ids of the
    commits with the CSNs `csns`. The question also asks which of the writes `ids` the sender has never held."""

    csns: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a Question. `commits` and `digests` have one entry for each CSN of the question.

    commits  the id of the commit with this CSN; empty if the sender of the answer does not know the id
    digests  the digest of the log up to this CSN; empty if the sender of the answer does not know the digest
    lacking  the ids of the question whose writes the sender of the answer has never held
    unknown  the ids of the question whose writes the sender of the answer may have dropped from its log
    """

    commits: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """The receiver's answer to a frame. If `replan` is false, the frame is stored. `was_known` is true if the receiver
    already held every write of the frame. Even then, the frame may have brought the commits of these writes.

    If `replan` is true, the receiver asks for a new plan. Then `csn` and `vector` say what the receiver holds now, and
    `retired_servers` says which retired servers the receiver knows.
    """

    plan: int
    replan: bool
    csn: int
    vector: Vector
    retired_servers: tuple[str, ...] = ()
    was_known: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """Tells the peer, in a standing session, what the sender holds now. So the peer need not send these writes and
    commits.

    `csn` is the sender's CSN. `vector` has only the entries that have changed since the sender last told the peer what
    it holds. `retired_servers` is complete.
    """

    csn: int
    vector: Vector
    retired_servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """Says that the receiver holds everything that the sender held at an earlier moment. Only a standing session has
    Syncs.

    A Sync is a question or an answer. The receiver of a question sends an answer with the same number. For a question,
    the earlier moment is the call of `Session.sync`. For an answer, the earlier moment is the arrival of the question.
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
