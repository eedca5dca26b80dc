"""Refuses frames that are well-formed, but that a replica must not believe. A frame comes from a peer or from a file.

One faulty peer must not stop the other replicas. So a replica refuses a stamp far beyond its own clock. A peer may also
claim that this replica has lost some of its own writes. This replica believes the claim only when the peer sends one of
these writes. docs/design.md, "Whom a replica trusts", says what is not promised.
"""

from __future__ import annotations

from bayou.errors import PeerRefusalCode
from bayou.frames import Hello, Refuse
from bayou.payloads import Item, Selection, StateEnd
from bayou.stamps import AHEAD_US_MAX, STAMP_DIGITS, moment, split_id, stamp_text, write_id
from bayou.state import State
from bayou.vectors import own_stamp
from bayou.write import prev_of


def check_clocks(label: str, now_us: int, hello: Hello) -> Refuse | None:
    """Return a Refuse if the clocks of two replicas are more than a year apart."""
    if abs(hello.clock - now_us) <= AHEAD_US_MAX:
        return None
    return Refuse(
        PeerRefusalCode.CLOCK_DIFFERS,
        f"The clock of {label} says {moment(now_us)}, and the clock of {hello.label} says {moment(hello.clock)}. They"
        " are more than a year apart. Correct the wrong clock. Then the next session can succeed.",
    )


def place_of_ahead(selection: Selection, now_us: int) -> int | None:
    """Return the index of the first write whose stamp is more than a year beyond the clock `now_us`; None if there is
    none. Notifications do not count, because their writes are already here."""
    bound = stamp_text(now_us + AHEAD_US_MAX)
    if max((item.id for item in selection.items), default="") <= bound:
        return None
    ahead = (place for place, item in enumerate(selection.items) if item.body and item.id[:STAMP_DIGITS] > bound)
    return next(ahead, None)


def refuse_ahead(label: str, now_us: int, source: str, item: Item) -> Refuse:
    """Return the Refuse for a peer that has sent the write `item`. The stamp of `item` is more than a year beyond the
    clock `now_us`. `source` is the label of the peer."""
    stamp, origin = split_id(item.id)
    return Refuse(
        PeerRefusalCode.CLOCK_AHEAD,
        f"The stamp of the write {item.id} of {origin} is {moment(stamp)}. The clock of {label} says {moment(now_us)}."
        f" The stamp is more than a year later, so {label} does not take this write from {source}."
        f" {_remedy(label, source)}",
    )


def check_end(label: str, now_us: int, source: str, end: StateEnd) -> Refuse | None:
    """Return a Refuse if a stamp in the end of a full state is more than a year beyond the clock."""
    server, stamp = max(end.vector.items(), key=lambda entry: entry[1], default=("", 0))
    newest = max(write_id(stamp, server), end.last, stamp_text(end.clock))
    if newest[:STAMP_DIGITS] <= stamp_text(now_us + AHEAD_US_MAX):
        return None
    return Refuse(
        PeerRefusalCode.CLOCK_AHEAD,
        f"The full state of {source} has the stamp {newest}. The clock of {label} says {moment(now_us)}. The stamp is"
        f" more than a year later, so {label} does not take the state. {_remedy(label, source)}",
    )


def _remedy(label: str, source: str) -> str:
    return (
        f"If the clock of {label} is wrong, correct this clock. If this clock is right, the stamp is wrong: start"
        f" {source} again without its data. {source} then gets back what its peers hold."
    )


def is_missing_own(state: State, vector_of_peer: int) -> bool:
    """True if a peer claims to hold writes of this replica that this replica does not hold. The claim is not evidence.
    `vector_of_peer` is this replica's entry in the vector of the peer."""
    return not state.retired and vector_of_peer > own_stamp(state.vector, state.server)


def lost_write(selection: Selection, state: State) -> Item | None:
    """Return the first item of the selection with a write that this replica has made and lost. Return None if there is
    no such item, or if this replica has retired.

    `own` is the stamp of the newest write of this replica that the replica still holds. A write of this replica is lost
    if its stamp is greater than `own`, and its `prev` is not greater than `own`. Notifications do not count, because
    they have no body, and so no `prev`.
    """
    if state.retired:
        return None
    own = own_stamp(state.vector, state.server)
    for item in selection.items:
        stamp, origin = split_id(item.id)
        if item.body and origin == state.server and prev_of(item.body) <= own < stamp:
            return item
    return None


def refuse_lost(label: str, source: str) -> Refuse:
    """Return the Refuse for a selection in which `lost_write` has found a write."""
    return Refuse(
        PeerRefusalCode.TAIL_LOST,
        f"{source} holds writes of {label} that {label} does not hold. {label} takes a new id by itself. Then the next"
        " session can succeed.",
    )


def refuse_claim(label: str, source: str) -> Refuse:
    """Return the Refuse for a peer that claims to hold writes of this replica, and sends none of them."""
    return Refuse(
        PeerRefusalCode.UNPROVEN,
        f"{source} claims to hold writes of {label} that {label} does not hold, but sends none of them. So {label}"
        f" takes nothing from {source}. If {label} is the primary and a copy of {label} has run, the next sessions heal"
        f" this. Otherwise {source} is faulty: start {source} again without its data. {source} then gets back what its"
        " peers hold.",
    )


def refuse_partial(label: str, source: str) -> Refuse:
    """Return the Refuse for a full state of a new epoch, if the sender no longer has the commits before that epoch.
    This replica needs these commits to compare the two logs."""
    return Refuse(
        PeerRefusalCode.CANNOT_COMPARE,
        f"A new epoch has revoked commits of {label}. The log of {source} no longer has the commits before that epoch."
        f" So {label} cannot compare the two logs, and does not know which of its own writes to keep. Run a"
        f" session with the primary: `sync PRIMARY --replica {label}`. A session with another replica that still has"
        f" these commits helps too. If no replica has these commits, promote {source}: `admin promote --force"
        f" --replica {source}`.",
    )


def refuse_foreign(label: str, source: str) -> Refuse:
    """Return the Refuse for a commit that the primary `label` did not make."""
    return Refuse(
        PeerRefusalCode.FOREIGN_COMMIT,
        f"{source} has commits that the primary {label} did not make. So {label} does not take these commits."
        f" If an older copy of the data of {label} has run, the next sessions heal this. Otherwise {source} is"
        f" faulty: start {source} again without its data. {source} then gets back what its peers hold.",
    )


def refuse_unsigned(label: str, source: str, primary: str, csn: int) -> Refuse:
    """Return the Refuse for a batch with commits up to `csn`. The replica `primary` should have signed all of them, but
    has not."""
    return Refuse(
        PeerRefusalCode.COMMIT_NOT_SIGNED,
        f"{source} has commits up to CSN {csn} without a valid signature of the primary"
        f" ({primary or 'which is not known'}). So {label} does not take these commits. If {label} has this error with"
        f" several replicas, {label} holds an altered write: start {label} again without its data. Otherwise {source}"
        f" is faulty: start {source} again without its data. The replica then gets back what its peers hold.",
    )


def refuse_unsigned_state(label: str, source: str, primary: str) -> Refuse:
    """Return the Refuse for a full state that the replica `primary` should have signed."""
    return Refuse(
        PeerRefusalCode.STATE_NOT_SIGNED,
        f"The full state of {source} is not signed by {primary}, or {label} has no proof that {primary} is the primary."
        f" So {label} does not take the state. If {primary} became the primary before the cluster used TLS, promote one"
        f" replica by force: `admin promote --force --replica LABEL`. Otherwise {source} is faulty: start"
        f" {source} again without its data.",
    )


def refuse_to_give_state(label: str, receiver: str) -> Refuse:
    """Return the Refuse for a peer that needs a full state, if this replica is not the primary."""
    return Refuse(
        PeerRefusalCode.STATE_NOT_SIGNED,
        f"{receiver} needs a full state. With TLS, only the primary can sign a full state, and {label} is not the"
        f" primary. Run a session with the primary: `sync PRIMARY --replica {receiver}`. If the primary never comes"
        " back, first make another replica the primary: `admin promote --force --replica LABEL`.",
    )
