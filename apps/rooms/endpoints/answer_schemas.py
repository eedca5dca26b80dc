"""The JSON Schemas of answers about meeting rooms. answer_values.py makes the values."""

from __future__ import annotations

from apps.api.schema import COUNT, DATE, FLAG, NAME, TEXT, TIME, VIEW, Schema, array, nullable, one_of, record
from apps.rooms.answer_values import NOT_AS_WANTED

CLOCK: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"}
OP = one_of("reserve", "move", "edit", "extend", "cancel")
MADE = {"id": TEXT, "user": TEXT, "request": TEXT, "owner": TEXT}  # of what a request has made
SLOT = record(start=TIME, end=TIME)
ROOM_SLOT = record(room=TEXT, start=TIME, end=TIME)
ROOM = record(
    name=TEXT,
    listed=FLAG,
    capacity=nullable(COUNT),
    features=array(TEXT),
    location=nullable(TEXT),
    opens=nullable(CLOCK),
    closes=nullable(CLOCK),
    closed=array(TEXT),
)
LOCAL = record({"overlaps": array(TEXT)}, timezone=TEXT, start=TIME, end=TIME)
RESERVATION = record(
    {"held_by": array(TEXT), "shifted": LOCAL},
    **MADE,
    room=TEXT,
    slot=nullable(SLOT),
    purpose=TEXT,
    state=one_of("tentative", "committed", "rejected", "cancelled"),
    final=FLAG,
    reason=nullable(record({"by": TEXT}, code=TEXT, message=TEXT)),
    series=nullable(NAME),
    occurrence=nullable(DATE),
    asked=array(ROOM_SLOT),
    changed_by=array(TEXT),
)
SERIES = record(
    series=record(
        {"except": array(DATE)},
        **MADE,
        rule=TEXT,
        occurrences=one_of("all_or_nothing", "best_effort"),
        timezone=TEXT,
        reservations=array(RESERVATION),
    )
)
CHANGED_SERIES = record(**SERIES["properties"], unmoved=nullable(array(DATE)))
EVENT = record(
    write=TEXT,
    op=OP,
    user=TEXT,
    accepted_at=TIME,
    accepted_by=TEXT,
    csn=nullable(COUNT),
    state=VIEW,
    outcome=TEXT,
    reason=nullable(TEXT),
    owner=nullable(TEXT),
    before=nullable(ROOM_SLOT),
    after=nullable(ROOM_SLOT),
)
SHIFTED = {"id": TEXT, "user": TEXT, "owner": TEXT, "room": TEXT, "purpose": TEXT, "slot": SLOT, "shifted": LOCAL}
SHIFTED_ONES = record(timezone=TEXT, reservations=array(record(**SHIFTED)), next=nullable(TEXT))
MOVED_BACK = record(
    moved=array(record(**SHIFTED)), not_moved=array(record(**SHIFTED, error=record(code=TEXT, message=TEXT)))
)
CONFLICT = record(
    id=TEXT,
    write=TEXT,
    op=OP,
    user=TEXT,
    accepted_at=TIME,
    state=VIEW,
    outcome=one_of(*NOT_AS_WANTED),
    why=nullable(TEXT),
    wanted=nullable(ROOM_SLOT),
    got=nullable(ROOM_SLOT),
)
CONFLICTS = record(conflicts=array(CONFLICT))
# The write that took a slot. `earlier` says whether the write was accepted earlier, or was only committed first.
CAUSE = record(write=TEXT, user=TEXT, earlier=FLAG, got=ROOM_SLOT)
MOVE_SEEN = record({"from": nullable(ROOM_SLOT)}, at=TIME, to=nullable(ROOM_SLOT), because=nullable(CAUSE))
ENTRY = record({"room": TEXT}, **MADE, purpose=TEXT, start=TIME, end=TIME, state=VIEW)
ROOMS = record(timezone=TEXT, rooms=array(ROOM), next=nullable(TEXT))
FREE_ROOMS = record({"from": TIME, "to": TIME}, rooms=array(ROOM))
CALENDAR = record({"from": TIME, "to": TIME}, room=TEXT, view=VIEW, reservations=array(ENTRY))
RESERVED = {"anyOf": [RESERVATION, SERIES]}
RESERVATIONS = record(user=TEXT, reservations=array(RESERVATION), next=nullable(TEXT))
HISTORY = record(id=TEXT, events=array(EVENT), moves_seen_here=array(MOVE_SEEN), moves_kept_since=nullable(TIME))
