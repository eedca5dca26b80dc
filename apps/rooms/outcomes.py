"""Makes a Refusal from the status that the Lua of the rooms returns when it refuses a write. A refused write is not
recorded."""

from __future__ import annotations

from bayou.errors import Conflict, Forbidden, Refusal, Unknown

_REFUSALS: dict[str, tuple[type[Refusal], str, str]] = {  # status -> kind, code, sentence
    "unknown": (
        Unknown,
        "reservation_unknown",
        "There is no reservation {id} here. Check the id. If it was made at another replica, it may not have arrived"
        " yet.",
    ),
    "forbidden": (Forbidden, "not_owner", "Only {owner} may change the reservation {id}; a manager may cancel it."),
    "cancelled": (Conflict, "cancelled", "The reservation {id} has been cancelled. Make a new one."),
    "moved_meanwhile": (
        Conflict,
        "moved_meanwhile",
        "The reservation {id} was moved while you asked. Look at it again, and repeat the request.",
    ),
}


def refusal(status: str, identifier: str) -> Refusal:
    """Return the refusal for a status about the reservation `USER/REQUEST`. Raise KeyError for the status `failed`,
    which means a bug in the Lua."""
    kind, code, sentence = _REFUSALS[status]
    owner = identifier.partition("/")[0]
    return kind(code, sentence.format(id=identifier, owner=owner), reservation=identifier)
