"""The models of queries and bodies about songs."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from apps.api.model import Count, ListQuery, Model, RequestId, ViewQuery, one_line, readable_name
from bayou.errors import BadInput

SONG_MAX = 200  # characters
URL_MAX = 2000
SONGS_MAX = 500  # of an answer


def _url(text: str) -> str:
    """Return the text, even if the text is not a URL. Raise ValueError if the text begins with a scheme other than http
    and https, because a click on a link with another scheme may run code."""
    scheme = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*):", text)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise ValueError(f"must be http://…, https://… or plain text that does not begin with {scheme[0]!r}")
    return one_line(text)


class PutBody(Model):
    """The body of PUT /playlist/SONG."""

    example: ClassVar = {"url": "https://example.org/so-what.ogg"}

    url: Annotated[str, Field(min_length=1, max_length=URL_MAX), AfterValidator(_url)]
    request: RequestId = None


class SongsQuery(ListQuery, ViewQuery):
    """The query of GET /playlist."""

    limit: Annotated[Count, Field(ge=1, le=SONGS_MAX, description="How many songs the replica reads.")] = SONGS_MAX


def song_name(text: str) -> str:
    """Return the name of a song from a path. Raise BadInput if the name is invalid."""
    try:
        return readable_name(text, SONG_MAX)
    except ValueError as reason:
        raise BadInput("bad_input", f"song: {reason}.", field="song") from None
