"""The REST resources of the playlist, and what people are shown of a song. They know a replica only as a Service."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restful import Resource
from werkzeug.routing import BaseConverter

from apps.api.service import Service, draft_by
from apps.playlist.schema import read_list, read_put, read_request, read_song, read_view
from bayou.application import PageViews, Rules
from bayou.errors import Unknown
from bayou.write import Write

APP = "playlist/1"
RULES = Rules(check="request_is_new", merge="keep_first")

Answer = dict[str, Any]


def register(api: Any, service: Service) -> None:
    """Adds the resources to a flask_restful.Api."""
    api.app.url_map.converters["song"] = SongConverter
    given = {"resource_class_kwargs": {"service": service}}
    api.add_resource(Playlist, "/playlist", **given)
    api.add_resource(Song, "/playlist/<song:name>", merge_slashes=False, **given)


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """The song and, where it was put, its URL; the same as its `result` once the write was done."""
    asked = {"song": write.args["song"], **({"url": write.args["url"]} if write.op == "put" else {})}
    return {**asked, "result": asked if outcome == "updated" else None}


class SongConverter(BaseConverter):
    """The rest of the path: a song may hold slashes (`AC/DC`), and begin or end with one."""

    regex = ".+"
    part_isolating = False


class SongResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    """What the resources share: the service, and songs as they are shown."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def views(self, song: str) -> PageViews:
        page = _page(song)
        return self.service.read([page]).pages[page]

    def submit(self, op: str, args: dict[str, str], name: str | None) -> Answer:
        """SONG as it stands once this request was taken, now or before."""
        song = args["song"]
        draft = draft_by(self.service, APP, op, args, [_page(song)], RULES, name or "")
        accepted = self.service.submit(draft)
        if not (accepted.logged or accepted.status == "duplicate"):
            raise RuntimeError(f"{op} of a song came to {accepted.outcome}")
        return _shown(song, self.views(song), "tentative")


class Playlist(SongResource):
    def get(self) -> Answer:
        view, after, limit = read_list(request.args.to_dict())
        further = [song for song in self.service.members("songs") if song.encode() > after.encode(errors="replace")]
        songs = further[:limit]
        pages = self.service.read([_page(song) for song in songs]).pages
        shown = [_shown(song, pages[_page(song)], view) for song in songs]
        # The list holds every song that was ever put here; one that was deleted has no URL.
        there = [song for song in shown if song["url"] is not None]
        return {"view": view, "songs": there, "next": songs[-1] if len(songs) < len(further) else None}


class Song(SongResource):
    def get(self, name: str) -> Answer:
        song, view = read_song(name), read_view(request.args.to_dict())
        shown = _shown(song, self.views(song), view)
        if shown["url"] is None:
            raise Unknown(
                "song_unknown",
                f"There is no song {song} in the {view} view here. Check the name; put at another replica, it may"
                " not have come this far yet.",
                song=song,
                view=view,
            )
        return shown

    def put(self, name: str) -> Answer:
        song, body = read_song(name), read_put(request.get_data())
        return self.submit("put", {"song": song, "url": body.url}, body.request)

    def delete(self, name: str) -> Answer:
        song, name_of_request = read_song(name), read_request(request.args.to_dict())
        return self.submit("delete", {"song": song}, name_of_request)


def _page(song: str) -> str:
    return f"song:{song}"


def _shown(song: str, views: PageViews, view: str) -> Answer:
    """SONG: {"song", "url" (None when there is none), "state"}; what both views say is committed."""
    tentative, committed = dict(views.tentative), dict(views.committed)
    page = committed if view == "committed" else tentative
    state = "committed" if page == committed else "tentative"
    return {"song": song, "url": page.get("url"), "state": state}
