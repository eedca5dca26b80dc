"""The REST endpoints of the playlist, and the description of its writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api.application import REQUEST_TAKEN, why_forbidden
from apps.api.endpoint import Answer, Endpoint
from apps.api.model import RequestQuery, ViewQuery, part_of_list
from apps.api.request import Request
from apps.api.schema import TEXT, VIEW, array, nullable, record
from apps.api.service import Rules, Service, new_draft
from apps.playlist.schema import PutBody, SongsQuery, song_name
from bayou.application import PageViews, refusal_of_judge
from bayou.errors import Conflict, Unknown
from bayou.write import Draft, Write

RULES = Rules("playlist/1", check="request_is_new", merge="keep_first")
SONG = record(song=TEXT, url=nullable(TEXT), state=VIEW)
SONGS = record(view=VIEW, songs=array(SONG), next=nullable(TEXT))


def endpoints(service: Service) -> list[Endpoint]:
    playlist, path = Playlist(service), "/playlist/{+song}"
    parameters, differs = {"song": "The name of a song. The name may contain slashes."}, {409: ("request_differs",)}
    return [
        Endpoint("GET", "/playlist", playlist.list_songs, {200: SONGS}),
        Endpoint("GET", path, playlist.show_song, {200: SONG}, parameters, {404: ("song_unknown",)}),
        Endpoint("PUT", path, playlist.put_song, {200: SONG}, parameters, differs),
        Endpoint("DELETE", path, playlist.delete_song, {200: SONG}, parameters, differs),
    ]


class Playlist:
    """The handlers of the playlist's endpoints."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def list_songs(self, request: Request[SongsQuery, None]) -> Answer:
        """List the songs in the order of their names."""
        query = request.query
        songs, following = part_of_list(self._service.list_entries("songs", request.session), query)
        pages = self._service.read([_page(song) for song in songs], request.session, query.view).pages
        shown = [_shown(song, pages[_page(song)], query.view) for song in songs]
        # The list holds every song that was ever put; one that was deleted has no URL.
        return {"view": query.view, "songs": [song for song in shown if song["url"] is not None], "next": following}

    def show_song(self, request: Request[ViewQuery, None], song: str) -> Answer:
        """Show a song."""
        name, view = song_name(song), request.query.view
        page = _page(name)
        shown = _shown(name, self._service.read([page], request.session, view).pages[page], view)
        if shown["url"] is None:
            raise Unknown(
                "song_unknown",
                f"There is no song {name} in the {view} view of this replica. Check the name. If the song was added"
                " at another replica, try again later: writes need some time to arrive.",
                song=name,
                view=view,
            )
        return shown

    def put_song(self, request: Request[None, PutBody], song: str) -> Answer:
        """Put a song, or give it another URL."""
        name = song_name(song)
        return self._submit("put", {"song": name, "url": request.body.url}, request.body.request, request)

    def delete_song(self, request: Request[RequestQuery, None], song: str) -> Answer:
        """Delete a song."""
        return self._submit("delete", {"song": song_name(song)}, request.query.request, request)

    def _submit(self, op: str, args: dict[str, str], request_id: str | None, request: Request[Any, Any]) -> Answer:
        """Submit a write about a song, and return the song after this write. A repeated request changes nothing. Raise
        Conflict if an earlier request with the same id asked for something else."""
        page, user, now = _page(args["song"]), request.caller.name, self._service.now()
        draft = new_draft(RULES, op, args, [page], user=user, at=now, request=request_id)
        accepted = self._service.submit(draft, request.session)
        views = self._service.read([page], request.session).pages[page]
        if accepted.status == "differs":
            raise _differs(draft, views.tentative)
        if not (accepted.logged or accepted.status == "duplicate"):
            raise RuntimeError(f"The {op} of a song has the unexpected outcome {accepted.outcome}")
        return _shown(args["song"], views, "tentative")


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """Return the description of a write about a song.

    song    the name of the song
    url     the URL; only given for a put
    result  the song and the URL again; None if the write changed nothing
    why     a sentence that says why the write had no effect; None if the write had its effect
    """
    asked = {"song": write.args["song"], **({"url": write.args["url"]} if write.op == "put" else {})}
    refusal = refusal_of_judge(outcome)
    because = REQUEST_TAKEN if outcome == "differs" else why_forbidden(refusal) if refusal else None
    why = f"The {write.op} of {write.args['song']} had no effect: {because}." if because else None
    return {**asked, "result": asked if outcome == "updated" else None, "why": why}


def _differs(draft: Draft, page: Mapping[str, str]) -> Conflict:
    """Return the refusal for a request whose id was used before. The page of the song only knows what the last request
    about the song asked for. If the last request has this id, the refusal says what the last request asked for."""
    was, details = "had different content", {}
    if page["requests"].split(" ")[-1].startswith(f"{draft.user}/{draft.request}="):
        url = page.get("url")
        was = f"put the URL {url}" if url else "deleted the song"
        details["earlier"] = {"op": "put" if url else "delete", "song": draft.args["song"]} | (
            {"url": url} if url else {}
        )
    return Conflict(
        "request_differs",
        f"An earlier request with the id {draft.request} {was}. This request has changed nothing. Give each request its"
        " own id.",
        request=draft.request,
        **details,
    )


def _page(song: str) -> str:
    return f"song:{song}"


def _shown(song: str, views: PageViews, view: str) -> Answer:
    """Return the song of a page as a JSON value with the schema SONG. The state of the song is `committed` if both
    views of the page are equal."""
    page = views.committed if view == "committed" else views.tentative
    state = "committed" if dict(page) == dict(views.committed) else "tentative"
    return {"song": song, "url": page.get("url"), "state": state}
