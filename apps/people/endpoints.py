"""The REST endpoints with which managers list, add, change and revoke people.

The role of the caller is checked twice: when the request arrives (replica/http/auth.py), and when the write of the
request is played (people.lua).
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import ListQuery, Model, Name, part_of_list
from apps.api.request import Request
from apps.api.schema import NAME, TEXT, array, nullable, one_of, record
from apps.api.service import Service
from apps.people.drafts import draft_of
from apps.people.pages import OPERATOR, ROLES, decode_person, person_page, unknown_person
from apps.people.tokens import hash_of, new_token
from bayou import names
from bayou.errors import Conflict, Forbidden, Refusal
from bayou.write import Write

ROLE = one_of(*ROLES)
PERSON = record(name=NAME, role=ROLE)
WITH_TOKEN = record(name=NAME, role=ROLE, token=TEXT)
ERRORS = {404: ("person_unknown",), 409: ("auth_off",)}


def _not_operator(name: str) -> str:
    if name == OPERATOR:
        raise ValueError(f"{OPERATOR} is reserved for the operator of the replica; choose another name")
    return name


class RoleBody(Model):
    """The body of PATCH /people/NAME."""

    example: ClassVar = {"role": "manager"}

    role: Annotated[Literal["user", "manager", "guest"], Field(description="The role of the person.")]


class PersonBody(RoleBody):
    """The body of POST /people."""

    example: ClassVar = {"name": "priyal", "role": "user"}

    name: Annotated[
        Name,
        AfterValidator(_not_operator),
        Field(description="The name of the person. The writes of the person carry this name."),
    ]


def endpoints(service: Service) -> list[Endpoint]:
    people, path = People(service), "/people/{name}"
    endpoint = partial(Endpoint, role="manager")
    changing = partial(endpoint, parameters={"name": "The name of a person."}, errors=ERRORS)
    return [
        endpoint("GET", "/people", people.list_people, {200: record(people=array(PERSON), next=nullable(TEXT))}),
        endpoint("POST", "/people", people.add_person, {201: WITH_TOKEN}, errors={409: ("auth_off", "person_exists")}),
        changing("PATCH", path, people.give_role, {200: PERSON}),
        changing("DELETE", path, people.revoke_person, {200: record(name=NAME, role={"type": "null"})}),
        changing("POST", f"{path}/token", people.give_token, {201: WITH_TOKEN}),
    ]


class People:
    """The handlers of the endpoints of people."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def list_people(self, request: Request[ListQuery, None]) -> Answer:
        """List the people, sorted by name, with the role of each person."""
        entries, following = part_of_list(self._service.list_entries("people", request.session), request.query)
        pages = self._service.read([person_page(name) for name in entries], request.session).pages
        found = {name: decode_person(pages[person_page(name)].tentative) for name in entries}
        # The list holds everybody who was ever added; a person who was revoked has no role.
        shown = [{"name": name, "role": person.role} for name, person in found.items() if person]
        return {"people": shown, "next": following}

    def add_person(self, request: Request[None, PersonBody]) -> tuple[Answer, int]:
        """Add a person. The token is shown only in this answer."""
        name, role = request.body.name, request.body.role
        token = new_token(name)
        self._submit(request, "add", name, role=role, hash=hash_of(token))
        return {"name": name, "role": role, "token": token}, 201

    def give_role(self, request: Request[None, RoleBody], name: str) -> Answer:
        """Give a person another role."""
        role = request.body.role
        self._submit(request, "role", name, role=role)
        return {"name": name, "role": role}

    def revoke_person(self, request: Request[None, None], name: str) -> Answer:
        """Revoke a person. The person then has no role and no token."""
        self._submit(request, "revoke", name)
        return {"name": name, "role": None}

    def give_token(self, request: Request[None, None], name: str) -> tuple[Answer, int]:
        """Give a person another token, which is shown only in this answer. The previous token becomes invalid."""
        token, page = new_token(name), person_page(name)
        self._submit(request, "token", name, hash=hash_of(token))
        person = decode_person(self._service.read([page], request.session).pages[page].tentative)
        if person is None:
            raise _refusal("unknown", name)
        return {"name": name, "role": person.role, "token": token}, 201

    def _submit(self, request: Request[Any, Any], op: str, name: str, **args: str) -> None:
        """Submit a write about a person. Raise a Refusal if the write is refused."""
        if not names.NAME.fullmatch(name):
            raise _refusal("unknown", name[:64])
        if not self._service.settings.has_roles:
            raise Conflict(
                "auth_off",
                "This replica has no roles, because the setting `auth: none` lets everybody use any name. To use roles,"
                " write `auth: tokens` in the configuration.",
            )
        draft = draft_of(request.caller.name, None, self._service.now(), op, name, **args)
        accepted = self._service.submit(draft, request.session)
        if not accepted.logged:
            raise _refusal(accepted.status, name)


def describe(write: Write, _outcome: str) -> Answer:
    """Return what screens show of a write about a person: the name and the role, but not the hash of the token."""
    return {"person": write.args.get("name"), "role": write.args.get("role")}


def _refusal(status: str, name: str) -> Refusal:
    if status == "forbidden":
        return Forbidden(
            "forbidden", "Only a manager can add, change or revoke people. Ask a manager.", needs="manager"
        )
    if status == "exists":
        message = f"There is already a person {name}. Change the role or the token of {name}, or revoke {name} first."
        return Conflict("person_exists", message, name=name)
    assert status == "unknown", status
    return unknown_person(name)
