"""The operations on people, for GET /openapi.json; each resource of resources.py has its rows here."""

from __future__ import annotations

from apps.api.endpoint import NAME, TEXT, Operation, listed, maybe, one_of, record
from apps.people.pages import PEOPLE_MAX, ROLES

ROLE = one_of(*ROLES)
PERSON = record(name=NAME, role=ROLE)
WITH_TOKEN = record(name=NAME, role=ROLE, token=TEXT)
PART = {
    "type": "object",
    "properties": {"after": TEXT, "limit": {"type": "integer", "minimum": 1, "maximum": PEOPLE_MAX}},
}
_OFF = ("auth_off",)
_ONE = "/people/{name}"

OPERATIONS = (
    Operation(
        "GET",
        "/people",
        "Who takes part, and in which role, in the order of their names, some at a time: `next` is the `after` of what"
        " follows.",
        {200: record(people=listed(PERSON), next=maybe(TEXT))},
        query=PART,
    ),
    Operation(
        "POST",
        "/people",
        "Add a person. The token is shown this once.",
        {201: WITH_TOKEN},
        body=record(name=NAME, role=ROLE),
        errors={403: ("forbidden",), 409: (*_OFF, "person_exists")},
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "PATCH",
        _ONE,
        "Give a person another role.",
        {200: PERSON},
        body=record(role=ROLE),
        errors={403: ("forbidden",), 404: ("person_unknown",), 409: _OFF},
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "DELETE",
        _ONE,
        "Revoke a person: no role and no token any more.",
        {200: record(name=NAME, role={"type": "null"})},
        errors={403: ("forbidden",), 404: ("person_unknown",), 409: _OFF},
        writes_as=True,
        in_session=True,
    ),
    Operation(
        "POST",
        "/people/{name}/token",
        "Give a person another token, shown this once; the one before ends.",
        {201: WITH_TOKEN},
        errors={403: ("forbidden",), 404: ("person_unknown",), 409: _OFF},
        writes_as=True,
        in_session=True,
    ),
)
