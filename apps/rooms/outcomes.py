"""Says what an outcome of the rooms means.

A refused write is not recorded. Then this module makes a Refusal from the outcome. A replay may leave an acknowledged
write without effect. Then this module makes a sentence that says why.
"""

from __future__ import annotations

from apps.api.application import REQUEST_TAKEN, why_forbidden
from bayou.application import had_no_effect, refusal_of_judge
from bayou.errors import Conflict, Forbidden, Refusal, Unknown

_REFUSALS: dict[str, tuple[type[Refusal], str, str]] = {  # status -> kind, code, sentence
    "unknown": (
        Unknown,
        "reservation_unknown",
        "There is no reservation {id} at this replica. Check the id. If the reservation was made at another"
        " replica, try again later: writes need some time to arrive.",
    ),
    "forbidden": (
        Forbidden,
        "not_owner",
        "Only {owner} may change the reservation {id}. A manager may cancel the reservation or hand it over.",
    ),
    "cancelled": (Conflict, "cancelled", "The reservation {id} has been cancelled. Make a new reservation."),
    "moved_meanwhile": (
        Conflict,
        "moved_meanwhile",
        "The reservation {id} was moved during this request. Check the new slot of the reservation. Then"
        " repeat the request.",
    ),
}

_NO_EFFECT = {  # status, or the detail of `rejected` -> why the write had no effect
    "no_alternative": "an earlier reservation took the slot, and no other slot that the request allows is free",
    "open_reservations": "its owner already held as many open reservations as the policy allows",
    "series": "another occurrence of the series found no slot",
    "unmoved": "no slot that the request allows is free any more",
    "kept": "another occurrence of the series found no slot",
    "cancelled": "the reservation had been cancelled meanwhile",
    "moved_meanwhile": "the reservation had been moved meanwhile",
    "unknown": "there is no such reservation",
    "forbidden": "only the owner of the reservation, or a manager with a reason, may do that",
    "differs": REQUEST_TAKEN,
    "failed": "the rules of the application had an error",
}

# The statuses of acknowledged writes that had no effect.
NO_EFFECT = ("rejected", *(word for word in _NO_EFFECT if word not in {"no_alternative", "series"}))


def no_effect(user: str, op: str, identifier: str, room: str, outcome: str) -> str | None:
    """Return a sentence that says why an acknowledged write had no effect. `user` is the user of the write, and
    `identifier` is the id of the reservation. Return None if the write had an effect."""
    because = why_no_effect(op, outcome)
    if because is None:
        return None
    what = f"reservation of {room}, {identifier}," if op == "reserve" else f"{op} of {identifier}"
    return f"{user}’s {what} had no effect: {because}."


def why_no_effect(op: str, outcome: str) -> str | None:
    """Return why an acknowledged write had no effect, as the end of a sentence. Return None if the write had an effect.
    If a reservation is cancelled twice, both cancels count as having an effect."""
    status, _, detail = outcome.partition(" ")
    if not had_no_effect(outcome) or (op, status) == ("cancel", "cancelled"):
        return None
    if refusal := refusal_of_judge(outcome):
        return why_forbidden(refusal)
    return _NO_EFFECT.get(detail if status == "rejected" else status, status)


def refusal(status: str, identifier: str, owner: str = "") -> Refusal:
    """Return the refusal for a write about the reservation or series `identifier` (USER/REQUEST), which `owner` owns.
    `status` is the status of the write's outcome. Raise KeyError for the status `failed`, which means a bug in the
    Lua."""
    kind, code, sentence = _REFUSALS[status]
    return kind(code, sentence.format(id=identifier, owner=owner), reservation=identifier)
