"""The operations of the playlist, for GET /openapi.json."""

from __future__ import annotations

from apps.api.endpoint import NAME, TEXT, Operation, listed, maybe, one_of, record
from apps.playlist.schema import SONGS_MAX, URL_MAX, VIEWS

VIEW = {"type": "object", "properties": {"view": one_of(*VIEWS)}}
PART = {
    "type": "object",
    "properties": {
        "view": one_of(*VIEWS),
        "after": TEXT,
        "limit": {"type": "integer", "minimum": 1, "maximum": SONGS_MAX},
    },
}
SONG = record(song=TEXT, url=maybe(TEXT), state=one_of(*VIEWS))
_SONG = "/playlist/{name}"

OPERATIONS = (
    Operation(
        "GET",
        "/playlist",
        "All songs in the order of their names, some at a time: `next` is the `after` of what follows.",
        {200: record(view=one_of(*VIEWS), songs=listed(SONG), next=maybe(TEXT))},
        query=PART,
        in_session=True,
    ),
    Operation(
        "GET",
        _SONG,
        "A song.",
        {200: SONG},
        query=VIEW,
        errors={404: ("song_unknown",)},
        in_session=True,
    ),
    Operation(
        "PUT",
        _SONG,
        "Put a song, or give it another URL.",
        {200: SONG},
        body=record({"request": NAME}, url={"type": "string", "minLength": 1, "maxLength": URL_MAX}),
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "DELETE",
        _SONG,
        "Delete a song.",
        {200: SONG},
        query={"type": "object", "properties": {"request": NAME}},
        writes_as=True,
        in_session=True,
    ),
)
