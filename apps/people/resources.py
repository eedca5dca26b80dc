"""The REST resources of people and roles, for managers: add, list, another role, another token, revoke.

They know a replica only as a Service, and refuse by raising Refusal; the replica makes both into HTTP. Who may ask is
judged when a request arrives (replica/http/auth.py), and again where its write has its place in the order (people.lua).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from flask import json, request
from flask_restful import Resource

from apps.api.service import Service
from apps.people.drafts import draft_of
from apps.people.pages import OPERATOR, PEOPLE_MAX, ROLES, Person, decode_person, person_page
from apps.people.tokens import hash_of, new_token
from bayou.errors import BadInput, Conflict, Forbidden, Refusal, Unknown
from bayou.names import NAME, UNREACHABLE
from bayou.write import Write

Answer = dict[str, Any]


def register(api: Any, service: Service) -> None:
    """Adds the resources to a flask_restful.Api."""
    given = {"resource_class_kwargs": {"service": service}}
    api.add_resource(People, "/people", **given)
    api.add_resource(OnePerson, "/people/<string:name>", **given)
    api.add_resource(Token, "/people/<string:name>/token", **given)


def describe(write: Write, _outcome: str) -> Answer:
    """What a write about people says, without the hash."""
    args = write.args
    return {"person": args.get("name"), "role": args.get("role")}


class _PeopleResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    def __init__(self, service: Service) -> None:
        self.service = service

    def person(self, name: str) -> Person:
        """Raises Unknown."""
        page = person_page(name)
        person = decode_person(self.service.read([page]).pages[page].tentative)
        if person is None:
            raise _refusal("unknown", name)
        return person

    def submit(self, op: str, name: str, **args: str) -> None:
        """A write about a person; raises Refusal."""
        if self.service.settings.auth != "tokens":
            raise Conflict(
                "auth_off",
                "There are no roles here: anybody may use any name. Set `auth: tokens` in the configuration.",
            )
        request_id = secrets.token_hex(6)
        draft = draft_of(self.service.user(), request_id, self.service.now(), op, name, **args)
        accepted = self.service.submit(draft)
        if not accepted.logged:
            raise _refusal(accepted.status, name)


class People(_PeopleResource):
    def get(self) -> Answer:
        after, limit = _part_of(request.args.to_dict())
        further = [name for name in self.service.members("people") if name.encode() > after.encode(errors="replace")]
        names = further[:limit]
        pages = self.service.read([person_page(name) for name in names]).pages
        found = {name: decode_person(pages[person_page(name)].tentative) for name in names}
        # The list holds everybody who was ever added; one who was revoked has no role.
        shown = [{"name": name, "role": person.role} for name, person in found.items() if person]
        return {"people": shown, "next": names[-1] if len(names) < len(further) else None}

    def post(self) -> tuple[Answer, int]:
        members = _body({"name", "role"})
        name, role = _name(members.get("name")), _role(members.get("role"))
        token = new_token(name)
        self.submit("add", name, role=role, hash=hash_of(token))
        return {"name": name, "role": role, "token": token}, 201


class OnePerson(_PeopleResource):
    def patch(self, name: str) -> Answer:
        role = _role(_body({"role"}).get("role"))
        self.submit("role", _known_form(name), role=role)
        return {"name": name, "role": role}

    def delete(self, name: str) -> Answer:
        self.submit("revoke", _known_form(name))
        return {"name": name, "role": None}


class Token(_PeopleResource):
    def post(self, name: str) -> tuple[Answer, int]:
        token = new_token(_known_form(name))
        self.submit("token", name, hash=hash_of(token))
        return {"name": name, "role": self.person(name).role, "token": token}, 201


def _refusal(status: str, name: str) -> Refusal:
    if status == "forbidden":
        return Forbidden("forbidden", "Only a manager may change people and their roles.", needs="manager")
    if status == "exists":
        message = f"{name} is there already. Give another role, or another token; or revoke first."
        return Conflict("person_exists", message, name=name)
    assert status == "unknown", status
    message = f"There is no {name} here. Check the name; added at another replica, it may not have come this far yet."
    return Unknown("person_unknown", message, name=name)


def _body(known: Collection[str]) -> Mapping[str, Any]:
    try:
        members = json.loads(request.get_data())
    except ValueError as reason:
        raise BadInput("bad_input", f"The body is not JSON: {reason}.", field="body") from None
    if not isinstance(members, dict):
        raise BadInput("bad_input", "The body must be a JSON object, {…}.", field="body")
    _refuse_others(members, known)
    return members


def _part_of(query: Mapping[str, str]) -> tuple[str, int]:
    """The query of the list: behind which name, how many at the most."""
    _refuse_others(query, {"after", "limit"})
    limit = query.get("limit", str(PEOPLE_MAX))
    if not (re.fullmatch("[0-9]{1,6}", limit) and 1 <= int(limit) <= PEOPLE_MAX):
        raise BadInput("bad_input", f"limit: must be a number from 1 to {PEOPLE_MAX}.", field="limit")
    return query.get("after", ""), int(limit)


def _refuse_others(members: Collection[str], known: Collection[str]) -> None:
    for name in members:
        if name not in known:
            raise BadInput("bad_input", f"{name}: there is no such field; leave it out.", field=name)


def _name(text: object) -> str:
    if not isinstance(text, str) or not NAME.fullmatch(text) or text in UNREACHABLE:
        raise BadInput("bad_input", "name: take 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -.", field="name")
    if text == OPERATOR:
        raise BadInput("bad_input", f"name: {OPERATOR} is who holds the machine; take another.", field="name")
    return text


def _known_form(name: str) -> str:
    """A name out of a path; what can be none is nobody."""
    if not NAME.fullmatch(name):
        raise _refusal("unknown", name[:64])
    return name


def _role(text: object) -> str:
    if text not in ROLES:
        raise BadInput("bad_input", f"role: must be one of {', '.join(ROLES)}.", field="role")
    return str(text)
