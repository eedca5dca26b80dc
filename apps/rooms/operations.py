"""The operations of the meeting rooms, for GET /openapi.json; each resource of resources.py has its rows here."""

from __future__ import annotations

from apps.api.endpoint import COUNT, FLAG, NAME, TEXT, TIME, Operation, Schema, listed, maybe, one_of, record
from apps.rooms.schema import (
    CalendarQuery,
    CancelQuery,
    FreeQuery,
    Model,
    MoveBody,
    PageQuery,
    RangeQuery,
    ReserveBody,
    SeriesCancelQuery,
    SeriesMoveBody,
    SeriesQuery,
)


def _of(model: type[Model]) -> Schema:
    return model.model_json_schema(ref_template="#/components/schemas/{model}")


DAY: Schema = {"type": "string", "format": "date"}
CLOCK: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"}
SLOT = record(start=TIME, end=TIME)
PLACE = record(room=TEXT, start=TIME, end=TIME)
ROOM = record(
    name=TEXT,
    listed=FLAG,
    capacity=maybe(COUNT),
    features=listed(TEXT),
    location=maybe(TEXT),
    opens=maybe(CLOCK),
    closes=maybe(CLOCK),
)
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
    occurrence=maybe(DAY),
    asked=listed(PLACE),
)
SERIES = record(
    series=record(
        {"except": listed(DAY)},
        id=TEXT,
        user=TEXT,
        request=TEXT,
        rule=TEXT,
        occurrences=one_of("all_or_nothing", "best_effort"),
        timezone=TEXT,
        reservations=listed(RESERVATION),
    )
)
EVENT = record(
    write=TEXT,
    op=one_of("reserve", "move", "cancel"),
    user=TEXT,
    accepted_at=TIME,
    accepted_by=TEXT,
    csn=maybe(COUNT),
    state=one_of("tentative", "committed"),
    outcome=TEXT,
    before=maybe(PLACE),
    after=maybe(PLACE),
)
SEEN = record({"from": maybe(PLACE)}, at=TIME, to=maybe(PLACE), because=maybe(TEXT))
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
SERIES_UNKNOWN = ("series_unknown",)
_ONE = "/reservations/{user}/{name}"
_SERIES = "/series/{user}/{name}"

OPERATIONS = (
    Operation(
        "GET",
        "/rooms",
        "The rooms: those of the configuration, then others that reservations name.",
        {200: record(timezone=TEXT, rooms=listed(ROOM), next=maybe(TEXT))},
        query=_of(PageQuery),
        in_session=True,
    ),
    Operation(
        "GET",
        "/rooms/free",
        "The rooms that are free, and open, for the whole of a time; the smallest that is large enough first.",
        {200: record({"from": TIME, "to": TIME}, rooms=listed(ROOM))},
        query=_of(FreeQuery),
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
        "Reserve the first of the slots that is free, or what the merge procedure finds; with a rule, a series. 200: it"
        " was taken before.",
        {200: {"anyOf": [RESERVATION, SERIES]}, 201: {"anyOf": [RESERVATION, SERIES]}},
        body=_of(ReserveBody),
        errors={404: ("room_unknown",), 409: ("slot_taken", "policy")},
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
            409: ("slot_taken", "policy", "cancelled", "moved_meanwhile"),
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
        f"{_ONE}/history",
        "Who did what to a reservation, the same everywhere; and how it moved, as far as this replica saw.",
        {
            200: record(
                id=TEXT,
                events=listed(EVENT),
                moves_seen_here=listed(SEEN),
                moves_kept_since=maybe(TIME),
            )
        },
        errors={404: UNKNOWN},
        in_session=True,
    ),
    Operation("GET", _SERIES, "A series.", {200: SERIES}, errors={404: SERIES_UNKNOWN}, in_session=True),
    Operation(
        "PATCH",
        _SERIES,
        "Move the occurrences from some date on that stand; where nothing is free one stays where it is.",
        {200: SERIES},
        query=_of(SeriesQuery),
        body=_of(SeriesMoveBody),
        errors={
            403: ("not_owner",),
            404: (*SERIES_UNKNOWN, *UNKNOWN, "room_unknown"),
            409: ("slot_taken", "policy", "cancelled", "moved_meanwhile"),
        },
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "DELETE",
        _SERIES,
        "Cancel the occurrences from some date on that stand.",
        {200: SERIES},
        query=_of(SeriesCancelQuery),
        errors={
            403: ("not_owner",),
            404: (*SERIES_UNKNOWN, *UNKNOWN),
            409: ("cancelled", "moved_meanwhile"),
        },
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "GET",
        "/users/{user}/reservations",
        "A user's reservations, in time order, those without a place last; beyond `limit`, by parts.",
        {200: record(user=TEXT, reservations=listed(RESERVATION), next=maybe(TEXT))},
        query=_of(RangeQuery),
        in_session=True,
    ),
)
