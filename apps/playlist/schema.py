"""What requests about songs may say. Each reader gives values as pages hold them, or a BadInput naming the field."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import json

from bayou.errors import BadInput
from bayou.names import NAME, UNREACHABLE

SONG_MAX = 200  # characters
URL_MAX = 2000
SONGS_MAX = 500  # of an answer
VIEWS = ("tentative", "committed")

_NOT_IN_A_LINE = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class PutBody:
    """PUT /playlist/SONG. `request` is None where the client named none."""

    url: str
    request: str | None


def read_song(text: str) -> str:
    """A song's name in Unicode's composed form, so that a name is one song however it was typed."""
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= SONG_MAX or not name.isprintable() or name != name.strip() or name in UNREACHABLE:
        raise _bad(
            "song",
            f"{text[:64]!r} cannot be a song; use 1 to {SONG_MAX} printable characters, no blank at either end",
        )
    return name


def read_put(body: bytes) -> PutBody:
    """The body of a PUT: {"url"} and perhaps "request"."""
    try:
        members = json.loads(body)
    except ValueError as reason:
        raise BadInput("bad_input", f"The body is not JSON: {reason}.", field="body") from None
    if not isinstance(members, dict):
        raise BadInput("bad_input", 'The body must be a JSON object, as in {"url": "…"}.', field="body")
    _refuse_others(members, {"url", "request"})
    return PutBody(url=_url(members), request=_request(members.get("request")))


def read_request(query: Mapping[str, str]) -> str | None:
    """The query of a DELETE: perhaps a request id."""
    _refuse_others(query, {"request"})
    return _request(query.get("request"))


def read_view(query: Mapping[str, str]) -> str:
    """The query of a GET: which view is wanted."""
    _refuse_others(query, {"view"})
    view = query.get("view", VIEWS[0])
    if view not in VIEWS:
        raise _bad("view", f"must be {' or '.join(VIEWS)}")
    return view


def read_list(query: Mapping[str, str]) -> tuple[str, str, int]:
    """The query of a GET of the list: which view, behind which song, how many at the most."""
    _refuse_others(query, {"view", "after", "limit"})
    limit = query.get("limit", str(SONGS_MAX))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= SONGS_MAX):
        raise _bad("limit", f"must be a number from 1 to {SONGS_MAX}")
    return read_view({"view": query["view"]} if "view" in query else {}), query.get("after", ""), int(limit)


def _url(members: Mapping[str, Any]) -> str:
    if "url" not in members:
        raise _bad("url", "is missing")
    url = members["url"]
    if not isinstance(url, str):
        raise _bad("url", "must be text in quotes")
    if not 1 <= len(url) <= URL_MAX:
        raise _bad("url", f"must have 1 to {URL_MAX} characters, and has {len(url)}")
    if any(unicodedata.category(character) in _NOT_IN_A_LINE for character in url):
        raise _bad("url", "must be one line, without control characters")
    return url


def _request(text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or not NAME.fullmatch(text):
        raise _bad("request", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -")
    return text


def _refuse_others(members: Mapping[str, Any], known: Collection[str]) -> None:
    for name in members:
        if name not in known:
            raise _bad(name, "there is no such field; leave it out")


def _bad(field: str, sentence: str) -> BadInput:
    return BadInput("bad_input", f"{field}: {sentence}.", field=field)
