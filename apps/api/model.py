"""The base class of the models for queries and bodies, the types of common fields, and the functions that read models.

A query or body is read once, before the handler is called. The values of a model have the form that handlers need. If a
field is invalid, `read_members` raises a BadInput. The error names the field and says what to do.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, from_json

from apps.api.schema import COUNT, NAME
from bayou import names
from bayou.errors import BadInput

LIST_MAX = 1000  # entries of a list in one answer

_NOT_IN_A_LINE = {"Cc", "Cs", "Zl", "Zp"}  # categories of Unicode: controls, lone surrogates, ends of lines


class Model(BaseModel):
    """The base of all models. An unknown field is an error, and no value is converted silently. The model
    of a request's body has an `example`, which GET /openapi.json shows."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    example: ClassVar[Mapping[str, Any] | None] = None


def readable_name(text: str, characters_max: int) -> str:
    """Return the name in Unicode's composed form (NFC) and with plain spaces, so that all ways to type a name give the
    same text. Raise ValueError if the text cannot be a name."""
    name = names.fold_spaces(text)
    is_fine = 1 <= len(name) <= characters_max and names.is_readable(name) and name == name.strip()
    if not is_fine or name in names.UNREACHABLE:
        raise ValueError(
            f"{text[:64]!r} cannot be used; a name has 1 to {characters_max} printable characters, and does not"
            " begin or end with a blank; the names `.` and `..` are not allowed"
        )
    return name


def one_line(text: str) -> str:
    """Return the text. Raise ValueError if the text has more than one line. Also raise ValueError for control
    characters, and for characters that change the direction of text."""
    if any(character in names.BIDI_CONTROLS or unicodedata.category(character) in _NOT_IN_A_LINE for character in text):
        raise ValueError("must be one line, without control characters or characters that change the direction of text")
    return text


def _name(text: str) -> str:
    if not names.NAME.fullmatch(text):
        raise ValueError(
            f"{text[:64]!r} cannot be used; give 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -; the names `.` and"
            " `..` are not allowed"
        )
    return text


def _count(text: object) -> int:
    if isinstance(text, str) and re.fullmatch("[0-9]{1,16}", text):
        return int(text)
    raise ValueError("must be a whole number")


# Functions check these types, so the JSON Schema of each type is given here.
Name = Annotated[str, AfterValidator(_name), WithJsonSchema(NAME)]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema(COUNT)]  # in a query, where all values are text
View = Literal["tentative", "committed"]
RequestId = Annotated[
    Name | None,
    Field(description="An id of your choice. A request that you send twice with the same id is done only once."),
]


class RequestQuery(Model):
    request: RequestId = None


class ViewQuery(Model):
    view: Annotated[View, Field(description="The view to show: `tentative` or `committed`.")] = "tentative"


class ListQuery(Model):
    after: Annotated[str, Field(description="The value of `next` in the previous answer.")] = ""
    limit: Annotated[Count, Field(ge=1, le=LIST_MAX, description="How many entries the replica reads.")] = LIST_MAX


def part_of_list(entries: Sequence[str], query: ListQuery) -> tuple[list[str], str | None]:
    """Return one part of a list, and the value of `next` for the answer. `query` says where the part begins, and how
    long it may be. `entries` must be sorted bytewise.

    To get the next part, a client sends the value of `next` as `after`. If there is no next part, the value is None.
    """
    start = bisect_right(entries, query.after.encode(), key=str.encode) if query.after else 0
    part = list(entries[start : start + query.limit])
    return part, part[-1] if start + len(part) < len(entries) else None


ModelT = TypeVar("ModelT", bound=Model)


def read_body(model: type[ModelT], body: bytes) -> ModelT:
    """Return a body as a model. Raise BadInput if the body is not a JSON object, or if a field is invalid."""
    try:
        members = from_json(body, allow_inf_nan=False)
    except ValueError as reason:
        raise BadInput("bad_input", f"The body is not JSON: {reason}.", field="body") from None
    if not isinstance(members, dict):
        raise BadInput("bad_input", "The body must be a JSON object, {…}.", field="body")
    return read_members(model, members)


def read_members(model: type[ModelT], members: Mapping[str, Any]) -> ModelT:
    """Return a query or a body as a model. `members` maps the names of the fields to values. Raise BadInput if a field
    is invalid."""
    try:
        return model.model_validate(members)
    except ValidationError as reason:
        raise _bad_input(_first(reason.errors()), members, model) from None


_SENTENCES = {  # pydantic's kind of error -> the sentence for a user; braces hold values of its context
    "extra_forbidden": "there is no such field; the fields are {fields}",
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "string_too_short": "has too few characters; the minimum is {min_length}",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "list_type": "must be a list, […]",
    "tuple_type": "must be a list, […]",
    "too_short": "has too few entries; the minimum is {min_length}",
    "too_long": "has too many entries; the maximum is {max_length}",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "model_type": "must be an object, {{…}}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


def _first(errors: Sequence[ErrorDetails]) -> ErrorDetails:
    """Return the error to report. A misspelt field makes two errors: an unknown field and a missing one. The unknown
    field is reported, because this error says more."""
    first = errors[0]
    unknown = (one for one in errors if one["type"] == "extra_forbidden" and one["loc"][:-1] == first["loc"][:-1])
    return next(unknown, first) if first["type"] == "missing" else first


def _bad_input(error: ErrorDetails, members: Mapping[str, Any], model: type[Model]) -> BadInput:
    """Return the BadInput for an error of pydantic. The `field` of the BadInput is a path such as slots.0.start."""
    steps = list(_path(error["loc"], members))
    field = ".".join(steps)
    sentence = _SENTENCES.get(error["type"])
    known = ", ".join(_fields_of(_models_at(model, steps[:-1]))) or "none"
    said = sentence.format(fields=known, **error.get("ctx", {})) if sentence else error["msg"]
    return BadInput("bad_input", f"{field}: {said}.", field=field)


def _fields_of(models: Iterable[type[BaseModel]]) -> dict[str, FieldInfo]:
    """Return the fields of these models by the names that clients use."""
    return {field.alias or name: field for model in models for name, field in model.model_fields.items()}


def _models_at(model: type[BaseModel], steps: Iterable[str]) -> list[type[BaseModel]]:
    """Return the models that an object in a query or a body may have. `steps` are the names and indexes that lead to
    this object. If the type of the object is a union, the result has several models."""
    models = [model]
    for step in steps:
        if field := _fields_of(models).get(step):  # an index of a list leads to no other model
            models = list(_models_in(field.annotation))
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _path(steps: Sequence[str | int], value: Any) -> Iterator[str]:
    """Yield the names and indexes that lead to a value in the client's JSON. For a union, pydantic adds the name of the
    alternative. This function leaves that name out."""
    for step in steps[:-1]:
        if isinstance(step, int) or (isinstance(value, dict) and step in value):
            yield str(step)
            value = value[step]
    last = steps[-1] if steps else ""
    in_object, in_list = isinstance(value, dict) and "[" not in str(last), isinstance(value, list)
    if in_object or (in_list and isinstance(last, int)):
        yield str(last)
