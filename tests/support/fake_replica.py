"""A fake replica for tests of the client. It answers REST requests from memory, and a test can make it fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

Json = dict[str, Any]
STREAM_WAIT_S = 20.0


class FakeRefusal(Exception):
    """Raised to refuse a request with this HTTP status and error code."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status, self.answer = status, {"error": {"code": code, "message": message, "details": details}}


class FakeReplica:
    """The state of a fake replica. Tests read and change its fields directly."""

    def __init__(self, label: str, timezone: str = "UTC") -> None:
        self.label, self.timezone = label, timezone
        self.rooms = ["6.12", "6.13", "7.01"]
        self.details: dict[str, Json] = {}  # by room: capacity, features, location, opens, closes
        self.reservations: dict[str, Json] = {}
        self.series: dict[str, Json] = {}
        self.histories: dict[str, Json] = {}
        self.page_size = 1000  # entries in one part of a list
        self.primary_here = True
        self.committing = False
        self.pace = "auto"
        self.peers: list[Json] = [
            {
                "label": name,
                "address": f"127.0.0.1:900{at}",
                "link": "up",
                "reachable": True,
                "busy": False,
                "last_session": None,
            }
            for at, name in enumerate(["two", "three"], start=2)
        ]
        self.writes: list[Json] = []
        self.records: list[Json] = []  # present states of writes of records
        self.lose_answers = 0  # number of next writes that are carried out but not answered
        self.seen: list[tuple[str, str, Any]] = []  # method, path with query, body
        self.events: list[tuple[str, Json]] = []
        self.resumed_after: list[str | None] = []  # Last-Event-ID of each stream
        self.changed = threading.Condition()
        self.streams_generation = 0
        self.chunked = True  # whether event streams use chunked encoding
        self.url = ""
        self.unmoved: list[str] = []  # dates that the answer to a change of a series names as unmoved

    def publish(self, name: str, **data: Any) -> None:
        with self.changed:
            self.events.append((name, data))
            self.changed.notify_all()

    def break_streams(self) -> None:
        with self.changed:
            self.streams_generation += 1
            self.changed.notify_all()

    def commit_all(self) -> None:
        with self.changed:
            for one in self.reservations.values():
                if one["state"] == "tentative":
                    one.update(state="committed", final=True)
            self.writes.append({})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, user: str) -> tuple[int, Json]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match [method, *parts]:
            case ["GET", "rooms" | "conflicts" as what]:
                return 200, self._rooms(query) if what == "rooms" else {"conflicts": []}
            case ["GET", "rooms", *rest]:
                return 200, self._calendar(rest[0], query) if rest[1:] else self._free_rooms(query)
            case ["POST", "reservations"]:
                return self._reserve(user, body)
            case ["GET", "reservations", owner, request, "history"]:
                return 200, self.histories[f"{owner}/{request}"]
            case [_, "reservations", owner, request]:
                return 200, self._one(method, f"{owner}/{request}", user, query, body)
            case [_, "series", owner, request, *_]:
                return 200, self._one_series(method, f"{owner}/{request}", query, body)
            case ["GET", "users", name, what]:
                return 200, {"user": name, **self._of_user(name, what, query)}
            case [method, "replica" | "cluster" as what, *rest]:
                users: Json = {"label": self.label, "users": ["vish", "priyal"], "replicas": []}
                return 200, users if what == "cluster" else self._replica(method, rest, query, body)
        raise FakeRefusal(404, "not_found", f"There is nothing at {path}.")

    def _rooms(self, query: dict[str, str]) -> Json:
        named = sorted({one["room"] for one in self.reservations.values()} - set(self.rooms))
        rooms = [self._room(name) for name in [*self.rooms, *named]]
        return {"timezone": self.timezone, **self._page("rooms", rooms, query)}

    def _reserve(self, user: str, body: Json) -> tuple[int, Json]:
        key = f"{user}/{body['request']}"
        if known := self.reservations.get(key):
            asked = [{"room": body.get("room"), **one} for one in body.get("slots", [])]
            if known["asked"] != asked:
                message = f"A request with the id {body['request']} was accepted before."
                raise FakeRefusal(409, "request_differs", message, earlier={"op": "reserve"})
            return 200, known
        if "rule" in body:
            return 201, self._reserve_series(key, user, body)
        room = body["room"]
        if room not in self.rooms and not body.get("new_room") and not self._entries(room):
            raise FakeRefusal(404, "room_unknown", f"No room is called {room!r}; did you mean 6.12?")
        slot = self._free(room, body["slots"], None)
        state = "committed" if self.committing else "tentative"
        self.reservations[key] = {
            "id": key, "user": user, "request": body["request"], "owner": body.get("owner", user),
            "room": room, "slot": slot, "reason": None,
            "state": state, "final": self.committing, "purpose": body["purpose"], "series": body.get("series"),
            "occurrence": None, "asked": [{"room": room, **one} for one in body["slots"]],
        }  # fmt: skip
        self.writes.append(
            {
                "id": f"{1764547200000000 + len(self.writes)}@{self.label}~abcdef",
                "csn": None, "state": state, "app": "rooms/1",
                "op": "reserve", "user": user, "request": body["request"], "origin": f"{self.label}~abcdef",
                "outcome": "updated 1/2 6.12", "accepted_at": "2026-12-01T08:00:00+00:00", "describe": {},
            }
        )  # fmt: skip
        return 201, self.reservations[key]

    def _of_user(self, name: str, what: str, query: dict[str, str]) -> Json:
        if what == "writes":
            return {"writes": [one for one in self.records if one["user"] == name]}
        own = [one for one in self.reservations.values() if one["owner"] == name]
        own.sort(key=lambda one: one["slot"]["start"] if one["slot"] else "9")
        return self._page("reservations", own, query)

    def _page(self, name: str, items: list[Json], query: dict[str, str]) -> Json:
        first = int(query.get("after", 0))
        last = first + self.page_size
        return {name: items[first:last], "next": str(last) if last < len(items) else None}

    def _room(self, name: str) -> Json:
        unknown: Json = {"capacity": None, "features": [], "location": None, "opens": None, "closes": None}
        return {"name": name, "listed": name in self.rooms} | unknown | self.details.get(name, {})

    def _free_rooms(self, query: dict[str, str]) -> Json:
        slot = {"start": query["from"], "end": query["to"]}
        wanted = {name for name in query.get("features", "").split(",") if name}
        found = []
        for room in map(self._room, self.rooms):
            try:
                self._free(room["name"], [slot], None)
            except FakeRefusal:
                continue
            if (room["capacity"] or 0) >= int(query.get("capacity", 0)) and wanted <= set(room["features"]):
                found.append(room)
        found.sort(key=lambda room: room["capacity"] or 0)
        return {"from": query["from"], "to": query["to"], "rooms": found}

    def _reserve_series(self, key: str, user: str, body: Json) -> Json:
        """Reserve each occurrence of a series; record an occurrence without a free slot as rejected."""
        ends = [datetime.fromisoformat(body["slots"][0][name]) for name in ("start", "end")]
        for moment in rrulestr(body["rule"], dtstart=ends[0].replace(tzinfo=None)):
            day = moment.date().isoformat()
            if day in body["except"]:
                continue
            shift = moment - ends[0].replace(tzinfo=None)
            slot = {"start": (ends[0] + shift).isoformat(), "end": (ends[1] + shift).isoformat()}
            one = {**body, "slots": [slot], "request": f"{body['request']}~{day}", "series": body["request"]}
            del one["rule"]
            try:
                answer = self._reserve(user, one)[1]
            except FakeRefusal as refusal:
                if body["occurrences"] == "all_or_nothing":
                    raise
                self._reserve(user, {**one, "room": "void", "new_room": True})
                answer = self.reservations[f"{key}~{day}"]
                reason = {"code": "no_alternative", "message": str(refusal)}
                answer.update(state="rejected", slot=None, room=body["room"], reason=reason)
            answer["occurrence"] = day
        asked = {name: body[name] for name in ("request", "rule", "except", "occurrences")}
        owner = body.get("owner", user)
        self.series[key] = {"id": key, "user": user, "owner": owner, "timezone": self.timezone, **asked}
        return self._one_series("GET", key, {}, None)

    def _one_series(self, method: str, key: str, query: dict[str, str], body: Any) -> Json:
        if key not in self.series:
            raise FakeRefusal(404, "series_unknown", f"There is no series {key} here.")
        held = [one for name, one in self.reservations.items() if name.startswith(f"{key}~")]
        changed = [one for one in held if one["slot"] and one["occurrence"] >= query.get("from", "")]
        if method == "DELETE":
            for one in changed:
                one.update(state="cancelled", slot=None)
        if method == "PATCH" and "slots" not in body:
            for one in changed:
                one.update({name: value for name, value in body.items() if name != "request"})
            self.series[key]["owner"] = body.get("owner", self.series[key]["owner"])
        elif method == "PATCH":
            first, last = (datetime.fromisoformat(body["slots"][0][name]) for name in ("start", "end"))
            begun = datetime.fromisoformat(changed[0]["slot"]["start"])
            for one in changed:
                shift: timedelta = datetime.fromisoformat(one["slot"]["start"]) - begun
                one.update(slot={"start": (first + shift).isoformat(), "end": (last + shift).isoformat()})
        answer: Json = {"series": {**self.series[key], "reservations": held}}
        return {**answer, "unmoved": self.unmoved} if method in {"PATCH", "POST"} else answer

    def _one(self, method: str, key: str, user: str, query: dict[str, str], body: Any) -> Json:
        one = self.reservations.get(key)
        if one is None:
            raise FakeRefusal(404, "reservation_unknown", f"There is no reservation {key} here.")
        if method != "GET" and one["owner"] != user:
            raise FakeRefusal(403, "not_owner", f"{key} belongs to {one['owner']}.")
        if method == "DELETE":
            one.update(state="cancelled", slot=None)
            if "reason" in query:
                one["reason"] = {"code": "cancelled", "message": f"Cancelled by {user}: {query['reason']}"}
        if method == "PATCH" and "slots" not in body:
            one.update({name: value for name, value in body.items() if name != "request"})
        elif method == "PATCH":
            one.update(slot=self._free(body.get("room", one["room"]), body["slots"], key), asked=body["slots"])
            one["room"] = body.get("room", one["room"])
        return one

    def _entries(self, room: str) -> list[Json]:
        return [one for one in self.reservations.values() if one["room"] == room and one["slot"]]

    def _free(self, room: str, slots: list[Json], but: str | None) -> Json:
        for slot in slots:
            start, end = (datetime.fromisoformat(slot[name]) for name in ("start", "end"))
            if not any(
                one["id"] != but
                and start < datetime.fromisoformat(one["slot"]["end"])
                and datetime.fromisoformat(one["slot"]["start"]) < end
                for one in self._entries(room)
            ):
                return slot
        raise FakeRefusal(409, "slot_taken", f"{room} is taken at every time you named; name others.", taken=slots)

    def _calendar(self, room: str, query: dict[str, str]) -> Json:
        first, last = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        entries = [
            {name: one[name] for name in ("id", "user", "request", "owner", "purpose", "state")} | one["slot"]
            for one in self._entries(room)
            if first < datetime.fromisoformat(one["slot"]["end"])
            and datetime.fromisoformat(one["slot"]["start"]) < last
            if query["view"] == "tentative" or one["state"] == "committed"
        ]
        entries.sort(key=lambda one: datetime.fromisoformat(one["start"]))
        return {"room": room, "view": query["view"], "from": query["from"], "to": query["to"], "reservations": entries}

    def _replica(self, method: str, rest: list[str], query: dict[str, str], body: Any) -> Json:
        match [method, *rest]:
            case ["GET"]:
                return self._state()
            case ["GET", "log"]:
                at = next((at for at, one in enumerate(self.writes, 1) if one["id"] == query.get("after")), 0)
                page = self.writes[at : at + int(query["limit"])]
                return {"writes": page, "next": page[-1]["id"] if page else None}
            case ["POST", "commit"]:
                self.commit_all()
                return {"committed": len(self.reservations)}
            case ["POST", "sync", name]:
                if self._peer(name)["link"] == "cut":
                    raise FakeRefusal(409, "link_cut", f"The link to {name} is cut; heal it first.")
                return {"peer": name, "sent": 3, "received": 1, "seconds": 0.02}
            case ["PUT", "pace"]:
                self.pace = body["pace"]
                return {"pace": self.pace}
            case ["PUT", "links", name]:
                self._peer(name)["link"] = "up" if body["up"] else "cut"
                return {"peer": name, "up": body["up"]}
        raise FakeRefusal(404, "not_found", "There is nothing here.")

    def _peer(self, name: str) -> Json:
        for peer in self.peers:
            if peer["label"] == name:
                return peer
        raise FakeRefusal(404, "peer_unknown", f"No peer is called {name!r}.")

    def _state(self) -> Json:
        tentative = sum(one["state"] == "tentative" for one in self.reservations.values())
        primary = self.label if self.primary_here else "two"
        return {
            "id": f"{self.label}~abcdef", "label": self.label, "cluster": "c", "birth": None,
            "epoch": 0, "csn": 7, "osn": 0,
            "primary": {"id": f"{primary}~abcdef", "label": primary, "here": self.primary_here, "gone": False},
            "tentative": tentative, "committed": 7, "vectors": {"V": {"x": str(len(self.writes))}, "C": {}, "O": {}},
            "pace": self.pace, "timezone": self.timezone, "peers": self.peers,
        }  # fmt: skip


def handler_of(replica: FakeReplica) -> type[BaseHTTPRequestHandler]:
    """Return the HTTP handler class that answers for this fake replica."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments: Any) -> None:
            pass

        def respond(self) -> None:
            address = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            if address.path == "/events":
                self.stream()
                return
            with replica.changed:
                replica.seen.append((self.command, self.path, body))
                try:
                    user = self.headers.get("Bayou-User", "")
                    status, answer = replica.answer(
                        self.command, address.path, dict(parse_qsl(address.query)), body, user
                    )
                except FakeRefusal as refusal:
                    status, answer = refusal.status, refusal.answer
                if self.command != "GET" and replica.lose_answers:
                    replica.lose_answers -= 1
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def stream(self) -> None:
            """Send events as they are added. Start after the position in the header Last-Event-ID. Without this header,
            send only events that are added later."""
            self.close_connection = True
            after = self.headers.get("Last-Event-ID")
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            if replica.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with replica.changed:
                replica.resumed_after.append(after)
                replica.changed.notify_all()
                generation = replica.streams_generation
                at = int(after) if after else len(replica.events)
                while replica.streams_generation == generation:
                    for position, (name, data) in enumerate(replica.events[at:], start=at + 1):
                        text = f": comment\nid: {position}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
                        self.wfile.write(
                            f"{len(text.encode()):x}\r\n{text}\r\n".encode() if replica.chunked else text.encode()
                        )
                    at = len(replica.events)
                    if not replica.changed.wait(STREAM_WAIT_S):
                        return

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.respond)
    return Handler


@contextmanager
def serving(label: str = "one", timezone: str = "UTC", port: int = 0) -> Iterator[FakeReplica]:
    """Serve a fake replica on a free port (or on `port`), and stop it at the end."""
    replica = FakeReplica(label, timezone)
    server = ThreadingHTTPServer(("127.0.0.1", port), handler_of(replica))
    replica.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield replica
    finally:
        replica.break_streams()
        server.shutdown()
        thread.join()
        server.server_close()
