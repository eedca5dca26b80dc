"""The REST resources for operators and the class: what this replica holds, and sessions and links at a word."""

from __future__ import annotations

import time
from typing import Any

from flask import request
from flask_restful import Resource

from bayou.errors import BadInput, Unknown
from bayou.stamps import split_id, stamp_text
from bayou.state import Vector
from replica.describe import Describer
from replica.parts import OperatorStore, Parts
from replica.peers import Peers
from replica.places import Places
from storage.store import LogEntry

LOG_ENTRIES_MAX = 1000
LOG_ENTRIES = 100
WAITING_MAX = 4  # requests that may wait for a session at a time, below the number of threads

Answer = dict[str, Any]


def register(api: Any, parts: Parts) -> None:
    """Add the resources to a flask_restful.Api."""

    def add(resource: type, path: str, **given: Any) -> None:
        api.add_resource(resource, path, resource_class_kwargs=given)

    places = Places(WAITING_MAX, "too_many_waiting", "sessions that are waited for")
    add(Index, "/", label=parts.label, api=api)
    add(Replica, "/replica", parts=parts)
    add(DigestOfPages, "/replica/digest", store=parts.store)
    add(Log, "/replica/log", store=parts.store, describer=Describer(parts.applications))
    add(Sync, "/replica/sync/<string:peer>", peers=parts.peers, places=places)
    add(Link, "/replica/links/<string:peer>", peers=parts.peers)
    add(Commit, "/replica/commit", store=parts.store, peers=parts.peers)


class Index(Resource):  # type: ignore[misc]  # flask_restful has no types
    """What there is, for who comes by with a browser or curl."""

    def __init__(self, label: str, api: Any) -> None:
        self._label = label
        self._api = api

    def get(self) -> Answer:
        paths: dict[str, list[str]] = {}
        for rule in self._api.app.url_map.iter_rules():
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            paths.setdefault(rule.rule.replace("<string:", "<"), []).extend(methods)
        return {"bayou": self._label, "paths": dict(sorted(paths.items()))}


class Replica(Resource):  # type: ignore[misc]
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get(self) -> Answer:
        state = self._parts.store.state()
        return {
            "id": state.server,
            "label": self._parts.label,
            "cluster": state.cluster,
            "birth": state.birth or None,
            "primary": {
                "id": state.primary or None,
                "label": label_of(state.primary),
                "here": state.is_primary,
            },
            "epoch": 0,
            "csn": state.csn,
            "osn": state.osn,
            "tentative": state.tentative,
            "committed": state.csn - state.osn,
            "vectors": {
                "V": vector_texts(state.vector),
                "C": vector_texts(state.committed_vector),
                "O": vector_texts(state.omitted_vector),
            },
            "timezone": self._parts.settings.timezone,
            "peers": self._parts.peers.status(),
        }


class DigestOfPages(Resource):  # type: ignore[misc]
    def __init__(self, store: OperatorStore) -> None:
        self._store = store

    def get(self) -> Answer:
        digest = self._store.digest()
        return {
            "committed": digest.committed,
            "tentative": digest.tentative,
            "csn": digest.csn,
            "vector": vector_texts(digest.vector),
        }


class Log(Resource):  # type: ignore[misc]
    def __init__(self, store: OperatorStore, describer: Describer) -> None:
        self._store = store
        self._describer = describer

    def get(self) -> Answer:
        after = request.args.get("after")
        limit = _whole_number("limit", request.args.get("limit", str(LOG_ENTRIES)), LOG_ENTRIES_MAX)
        for name in request.args:
            if name not in {"after", "limit"}:
                raise BadInput("bad_input", f"There is no {name} here; there are after and limit.", field=name)
        if after is not None:
            _check_id(after)
        entries = self._store.log(after, limit)
        if entries is None:
            raise Unknown(
                "write_unknown", f"The log does not hold the write {after}. Begin again without after.", after=after
            )
        return {
            "writes": [self._shown(entry) for entry in entries],
            "next": entries[-1].write.id if len(entries) == limit else None,
        }

    def _shown(self, entry: LogEntry) -> Answer:
        write = entry.write
        return {
            "id": write.id,
            "csn": entry.csn,
            "state": "tentative" if entry.csn is None else "committed",
            "app": write.app,
            "op": write.op,
            "user": write.user,
            "request": write.request,
            "origin": write.origin,
            "outcome": entry.outcome,
            "accepted_at": write.accepted_at,
            "describe": self._describer.describe(write, entry.outcome),
        }


class Sync(Resource):  # type: ignore[misc]
    def __init__(self, peers: Peers, places: Places) -> None:
        self._peers = peers
        self._places = places

    def post(self, peer: str) -> Answer:
        self._places.take()
        try:
            began = time.monotonic()
            report = self._peers.sync(peer)
            seconds = round(time.monotonic() - began, 6)
        finally:
            self._places.give_back()
        return {"peer": peer, "sent": report.sent, "received": report.received, "seconds": seconds}


class Link(Resource):  # type: ignore[misc]
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def put(self, peer: str) -> Answer:
        body = request.get_json()
        if not isinstance(body, dict) or set(body) != {"up"} or not isinstance(body["up"], bool):
            raise BadInput("bad_input", 'Send {"up": false} to cut the link, {"up": true} to heal it.', field="up")
        self._peers.set_link(peer, up=body["up"])
        return {"peer": peer, "up": body["up"]}


class Commit(Resource):  # type: ignore[misc]
    def __init__(self, store: OperatorStore, peers: Peers) -> None:
        self._store = store
        self._peers = peers

    def post(self) -> Answer:
        committed = self._store.commit()
        if committed:
            self._peers.poke()
        return {"committed": committed}


def label_of(server: str) -> str | None:
    """The label in a founder's id; None for an id that names none."""
    label, tilde, _ = server.partition("~")
    return label if tilde else None


def vector_texts(vector: Vector) -> dict[str, str]:
    """A vector with its stamps as text of 16 digits."""
    return {server: stamp_text(stamp) for server, stamp in sorted(vector.items())}


def _check_id(after: str) -> None:
    try:
        split_id(after)
    except ValueError as reason:
        raise BadInput("bad_input", f"after: {reason}.", field="after") from None


def _whole_number(name: str, text: str, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= maximum):
        raise BadInput("bad_input", f"{name} is a number from 1 to {maximum}, not {text!r}.", field=name)
    return int(text)
