"""The REST resources for operators and the class: what this replica holds, and sessions and links at a word."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from flask import request
from flask_restful import Resource

from bayou.errors import BadInput, Unknown
from bayou.history import decode
from bayou.stamps import split_id, stamp_text
from bayou.state import Vector
from replica.anti_entropy.peers import Peers
from replica.config import Config
from replica.events.describe import Describer
from replica.http.concurrency_limit import Places
from replica.http.parts import OperatorStore, Parts
from replica.membership.commands import Membership
from storage.members import label_of
from storage.store import LogEntry, Member

LOG_ENTRIES_MAX = 1000
LOG_ENTRIES = 100
WAITING_MAX = 4  # requests that may wait for a session at a time, below the number of threads

Answer = dict[str, Any]


def register(api: Any, parts: Parts) -> None:
    """Add the resources to a flask_restful.Api."""

    def add(resource: type, path: str, **given: Any) -> None:
        api.add_resource(resource, path, resource_class_kwargs=given)

    places = Places(WAITING_MAX, "too_many_waiting", "sessions that are waited for")
    add(Replica, "/replica", parts=parts)
    add(DigestOfPages, "/replica/digest", store=parts.store)
    add(Log, "/replica/log", store=parts.store, describer=Describer(parts.applications))
    add(Sync, "/replica/sync/<string:peer>", peers=parts.peers, places=places)
    add(Link, "/replica/links/<string:peer>", peers=parts.peers)
    add(Commit, "/replica/commit", store=parts.store, peers=parts.peers)
    add(Truncate, "/replica/truncate", store=parts.store)
    if parts.membership is not None:
        add(Retire, "/replica/retire", membership=parts.membership)
        add(Promote, "/replica/promote", membership=parts.membership, store=parts.store)


class Replica(Resource):  # type: ignore[misc]  # flask_restful has no types
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get(self) -> Answer:
        state, created = self._parts.store.state(), self._parts.store.members_of_cluster()
        return {
            "id": state.server,
            "label": self._parts.label,
            "cluster": state.cluster,
            "birth": state.birth or None,
            "primary": {
                "id": state.primary or None,
                "label": label_of(state.primary, created),
                "here": state.is_primary,
            },
            "epoch": _epoch(state.history),
            "history": json.loads(state.history),
            "retired": state.retired,
            "members": _members(self._parts.settings, created),
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


class Truncate(Resource):  # type: ignore[misc]
    def __init__(self, store: OperatorStore) -> None:
        self._store = store

    def post(self) -> Answer:
        keep = read_body({"keep": int}).get("keep")
        if keep is None or not 0 <= keep < 2**53:
            raise BadInput("bad_input", 'Send {"keep": N}, how many committed writes stay in the log.', field="keep")
        return {"dropped": self._store.truncate(keep)}


class Retire(Resource):  # type: ignore[misc]
    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    def post(self) -> Answer:
        retired = self._membership.retire(read_body({"hand_over_to": str}).get("hand_over_to"))
        return {"retired": True, "write": retired.write, "held_by": retired.held_by}


class Promote(Resource):  # type: ignore[misc]
    def __init__(self, membership: Membership, store: OperatorStore) -> None:
        self._membership = membership
        self._store = store

    def post(self) -> Answer:
        body = read_body({"force": bool, "to": str})
        if body.get("force") and "to" in body:
            raise BadInput("bad_input", "Force promotes the replica that is asked: leave out `to`.", field="to")
        if body.get("force"):
            self._membership.force()
        else:
            self._membership.promote(body.get("to"))
        state = self._store.state()
        label = label_of(state.primary, self._store.members_of_cluster())
        primary = {"id": state.primary, "label": label, "here": state.is_primary}
        return {"primary": primary, "epoch": _epoch(state.history)}


class Commit(Resource):  # type: ignore[misc]
    def __init__(self, store: OperatorStore, peers: Peers) -> None:
        self._store = store
        self._peers = peers

    def post(self) -> Answer:
        committed = self._store.commit()
        if committed:
            self._peers.poke()
        return {"committed": committed}


def _epoch(history: str) -> Answer | None:
    """The present one; None while the cluster's birth is not known."""
    epochs = decode(history)
    return {"number": epochs[-1].number, "promoter": epochs[-1].promoter} if epochs else None


def _members(settings: Config, created: Sequence[Member]) -> list[Answer]:
    """The founders, whose ids are theirs to know, and the created servers."""
    founders = [
        {"id": None, "label": label, "rest": str(founder.rest), "anti_entropy": str(founder.anti_entropy)}
        for label, founder in settings.founders.items()
    ]
    others = [
        {"id": member.id, "label": member.label, "rest": member.rest, "anti_entropy": member.anti_entropy}
        for member in created
    ]
    return founders + others


def vector_texts(vector: Vector) -> dict[str, str]:
    """A vector with its stamps as text of 16 digits."""
    return {server: stamp_text(stamp) for server, stamp in sorted(vector.items())}


def read_body(members: dict[str, type]) -> Answer:
    """The body, an object with some of these members and nothing else, or no body at all; BadInput names the member."""
    body = request.get_json() if request.get_data() else {}
    if not isinstance(body, dict):
        raise BadInput("bad_input", "Send a JSON object, or no body.", field="body")
    for name, value in body.items():
        if name not in members:
            raise BadInput("bad_input", f"There is no {name} here; there are {', '.join(members)}.", field=name)
        if type(value) is not members[name]:
            raise BadInput("bad_input", f"{name} is of another type.", field=name)
    return body


def _check_id(after: str) -> None:
    try:
        split_id(after)
    except ValueError as reason:
        raise BadInput("bad_input", f"after: {reason}.", field="after") from None


def _whole_number(name: str, text: str, maximum: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= maximum):
        raise BadInput("bad_input", f"{name} is a number from 1 to {maximum}, not {text!r}.", field=name)
    return int(text)
