"""The operations of the meeting rooms, for GET /openapi.json; each resource of resources.py has its rows here."""

from __future__ import annotations

from apps.rooms.schema import CalendarQuery, CancelQuery, Model, MoveBody, RangeQuery, ReserveBody
from bayou.operation import FLAG, NAME, TEXT, TIME, Operation, Schema, listed, maybe, one_of, record


def _of(model: type[Model]) -> Schema:
    return model.model_json_schema(ref_template="#/components/schemas/{model}")


SLOT = record(start=TIME, end=TIME)
RESERVATION = record(
    id=TEXT,
    user=TEXT,
    request=TEXT,
    room=TEXT,
    slot=maybe(SLOT),
    purpose=TEXT,
    state=one_of("tentative", "committed", "rejected", "cancelled"),
    final=FLAG,
    reason=maybe(record(code=TEXT, message=TEXT)),
    series=maybe(NAME),
    asked=listed(record(room=TEXT, start=TIME, end=TIME)),
)
ENTRY = record(
    id=TEXT,
    user=TEXT,
    request=TEXT,
    purpose=TEXT,
    start=TIME,
    end=TIME,
    state=one_of("tentative", "committed"),
)
UNKNOWN = ("reservation_unknown",)
_ONE = "/reservations/{user}/{name}"

OPERATIONS = (
    Operation(
        "GET",
        "/rooms",
        "The rooms: those of the configuration, then others that reservations name.",
        {200: record(timezone=TEXT, rooms=listed(record(name=TEXT, listed=FLAG)))},
        in_session=True,
    ),
    Operation(
        "GET",
        "/rooms/{room}/calendar",
        "Who has a room when, in time order.",
        {
            200: record(
                {"from": TIME, "to": TIME},
                room=TEXT,
                view=one_of("tentative", "committed"),
                reservations=listed(ENTRY),
            )
        },
        query=_of(CalendarQuery),
        errors={404: ("room_unknown",)},
        in_session=True,
    ),
    Operation(
        "POST",
        "/reservations",
        "Reserve the first of the slots that is free, or what the merge procedure finds. 200: it was taken before.",
        {200: RESERVATION, 201: RESERVATION},
        body=_of(ReserveBody),
        errors={404: ("room_unknown",), 409: ("slot_taken",)},
        writes_as=True,
        in_session=True,
    ),
    Operation("GET", _ONE, "A reservation.", {200: RESERVATION}, errors={404: UNKNOWN}, in_session=True),
    Operation(
        "PATCH",
        _ONE,
        "Move a reservation; where nothing is free it stays where it is.",
        {200: RESERVATION},
        body=_of(MoveBody),
        errors={
            403: ("not_owner",),
            404: (*UNKNOWN, "room_unknown"),
            409: ("slot_taken", "cancelled", "moved_meanwhile"),
        },
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "DELETE",
        _ONE,
        "Cancel a reservation.",
        {200: RESERVATION},
        query=_of(CancelQuery),
        errors={403: ("not_owner",), 404: UNKNOWN, 409: ("cancelled", "moved_meanwhile")},
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "GET",
        "/users/{user}/reservations",
        "A user's reservations, in time order; those without a place come last.",
        {200: record(user=TEXT, reservations=listed(RESERVATION))},
        query=_of(RangeQuery),
        in_session=True,
    ),
)
