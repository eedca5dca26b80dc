"""The models of requests about relations and records, and the schemas of their answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import from_json

from apps.api.model import Model, Name, RequestId, ViewQuery
from apps.api.schema import COUNT, FLAG, TEXT, VIEW, array, nullable, one_of, record
from apps.records.relation import Type

SQL_MAX = 8000  # characters of one text
STATEMENTS_MAX = 50  # of one update
STEPS_MAX = 50
ALTERNATIVES_MAX = 200  # of one step

Parameter = str | int
Parameters = dict[str, Parameter]
Sql = Annotated[str, Field(min_length=1, max_length=SQL_MAX)]
Update = Annotated[
    Sql | Annotated[list[Sql], Field(min_length=1, max_length=STATEMENTS_MAX)],
    Field(
        description="An INSERT, UPDATE or DELETE, or a list of statements. All statements of a list are done, or none."
    ),
]


class DefineBody(Model):
    """The body of POST /relations."""

    example: ClassVar = {
        "relation": "meetings",
        "attributes": {"room": "text", "day": "text", "start": "integer", "stop": "integer", "who": "text"},
        "key": ["room", "day", "start"],
        "page_by": ["room", "day"],
    }

    relation: Annotated[str, Field(description="The name of the relation: a-z, 0-9 and _.")]
    attributes: Annotated[
        dict[str, Type],
        Field(description="The names of the attributes, and the type of each. Their order is part of the definition."),
    ]
    key: Annotated[list[str], Field(description="The attributes that identify a record.")]
    page_by: Annotated[
        list[str],
        Field(
            description="Some or all attributes of the key. Records with equal values of these attributes are on one"
            " page. Two writes can be in conflict only if they use the same page."
        ),
    ]
    request: RequestId = None


class Check(Model):
    """A dependency check: a query, and the rows that the query must return."""

    query: Annotated[Sql, Field(description="SELECT … FROM … WHERE …")]
    expect: Annotated[
        list[list[Parameter] | Parameters],
        Field(
            description="The expected rows. A row is a list of values, or an object with a value for each attribute."
            " `:name` is a parameter."
        ),
    ]


class Step(Model):
    """A step of a merge procedure."""

    alternatives: Annotated[
        list[Parameters] | None,
        Field(
            alias="for",
            max_length=ALTERNATIVES_MAX,
            description="The replica tries these alternatives in order. Each alternative gives values to parameters.",
        ),
    ] = None
    check: Annotated[
        Check | None,
        Field(description="The step is done only if this check succeeds. A step without a check is always tried."),
    ] = None
    update: Update


class WriteBody(Model):
    """The body of POST /records."""

    example: ClassVar = {
        "update": "INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.12', '2026-12-01', 540, 600, :user)",
        "check": {
            "query": "SELECT who FROM meetings"
            " WHERE room = '6.12' AND day = '2026-12-01' AND start < 600 AND stop > 540",
            "expect": [],
        },
        "merge": [
            {
                "for": [{"start": 600, "stop": 660}, {"start": 660, "stop": 720}],
                "check": {
                    "query": "SELECT who FROM meetings"
                    " WHERE room = '6.12' AND day = '2026-12-01' AND start < :stop AND stop > :start",
                    "expect": [],
                },
                "update": "INSERT INTO meetings (room, day, start, stop, who)"
                " VALUES ('6.12', '2026-12-01', :start, :stop, :user)",
            }
        ],
    }

    update: Update
    check: Annotated[
        Check | None,
        Field(description="The update is done only if this check succeeds. An update without a check is always tried."),
    ] = None
    merge: Annotated[
        tuple[Step, ...],
        Field(
            max_length=STEPS_MAX,
            strict=False,
            description="If the update is not done, the replica tries these steps in order. The replica does"
            " the first possible step.",
        ),
    ] = ()
    parameters: Annotated[Parameters | None, Field(description="Values that the SQL names as `:name`.")] = None
    request: RequestId = None


def _from_json(text: object) -> Any:
    try:
        return from_json(text) if isinstance(text, str) else text
    except ValueError:
        raise ValueError("must be a JSON object") from None


class ReadQuery(ViewQuery):
    """The query of GET /records."""

    query: Annotated[
        Sql,
        Field(
            description="A query of the form `SELECT … FROM … WHERE …`. The WHERE clause may use the operator `IN` for"
            " attributes in `page_by`."
        ),
    ]
    parameters: Annotated[
        Parameters | None,
        BeforeValidator(_from_json),
        Field(description="A JSON object of values that the query names as `:name`."),
        WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
    ] = None


class WritesQuery(Model):
    """The query of GET /users/{user}/writes."""

    request: Annotated[Name | None, Field(description="Only the write with this request id.")] = None


class MergedQuery(Model):
    """The query of GET /writes/merged."""

    user: Annotated[Name | None, Field(description="Only the writes of this user.")] = None


ROW = {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
RELATION = record(
    relation=TEXT,
    name=TEXT,
    attributes={"type": "object", "additionalProperties": one_of("text", "integer", "time")},
    key=array(TEXT),
    page_by=array(TEXT),
    owns_name=FLAG,
    state=VIEW,
)
CHANGED = record(op=one_of("insert", "replace", "delete"), relation=TEXT, record=ROW)
# Parts of what answers say of a write: what it did, and who asked for it.
DONE = {"step": nullable(COUNT), "alternative": nullable(COUNT), "changed": array(CHANGED)}
ASKED = {**dict.fromkeys(("write", "user", "request", "accepted_at"), TEXT), "state": VIEW}
WRITTEN = record(write=nullable(TEXT), state=VIEW, outcome=one_of("updated", "merged"), **DONE)
ROWS = record(view=VIEW, relation=TEXT, rows=array(ROW))
OBSTACLE = record(relation=TEXT, is_missing=FLAG, record=ROW)
PRESENT_STATE = record(
    {"held_by": array(TEXT)},
    **ASKED,
    csn=nullable(COUNT),
    outcome=one_of("updated", "merged", "conflict", "rejected", "duplicate", "differs", "failed"),
    reason=nullable(TEXT),
    **DONE,
    wanted=array(CHANGED),
    in_the_way=array(OBSTACLE),
)
WRITES = record(user=TEXT, writes=array(PRESENT_STATE))
MERGED = record(writes=array(PRESENT_STATE))
CONFLICT = record(**ASKED, wanted=array(record(op=TEXT, relation=TEXT, record=ROW)), in_the_way=array(OBSTACLE))
CONFLICTS = record(conflicts=array(CONFLICT))
