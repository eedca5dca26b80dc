"""Turns the body of a request into the arguments of a write and the pages that the write declares.

A write carries its update, its dependency check and its merge procedure (Terry 1995, sections 4.1 and 4.2), as data.
Only the replica that gets the request parses the SQL. All replicas play the canonical form.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.records.canonical import Json, Operand, literal, parameter_of, triples, value_of
from apps.records.relation import Relation, Value
from apps.records.schema import Check, Parameters, WriteBody
from apps.records.sql import Source, check_parameters, read_query, read_statement
from bayou.errors import BadInput

DIGEST_CHARACTERS = 6
NO_ALTERNATIVE: Mapping[str, Value] = {}


@dataclass(slots=True)
class Program:
    """The canonical form of a write. `args` are the arguments of the write. `pages` are all pages that the steps of the
    write may read or change."""

    args: Json
    pages: list[str]


@dataclass(slots=True)
class _Reader:
    """Reads the steps of one request. `relation_of` finds a relation by its name. `values` has the parameters of the
    whole request: name -> value."""

    relation_of: Callable[[str], Relation]
    values: Parameters
    relations: dict[str, Relation] = field(default_factory=dict)  # full name -> relation, if a step uses it
    pages: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)  # the names of the parameters that the SQL uses

    def step(self, place: str, update: str | Sequence[str], check: Check | None, alternatives: Any = None) -> Json:
        """Return the canonical form of a step. `place` is the path of the step in the request, such as `merge.0.`, for
        error messages. The path of the update itself is empty."""
        known = tuple(alternatives or ())
        if any("user" in alternative for alternative in known):
            message = (
                f"{place}for: the name `user` is reserved, because `:user` always stands for the caller. Rename the"
                " parameter."
            )
            raise BadInput("bad_input", message, field=f"{place}for")
        texts = [update] if isinstance(update, str) else update
        step: Json = {"update": []}
        kinds: dict[str, str] = {}
        for number, text in enumerate(texts):
            where = f"{place}update" if isinstance(update, str) else f"{place}update.{number}"
            relation, statement = self._used(*read_statement(self._source(text, where, known)))
            step["update"].append(statement)
            self._note_kinds(where, kinds, relation, statement["values"].items())
            self._declare(relation, statement["values"], known)
        if check is not None:
            where = f"{place}check.query"
            source = self._source(check.query, where, known)
            relation, query = self._used(*read_query(source))
            expect = [
                self._row(f"{place}check.expect.{i}", relation, query, row, known) for i, row in enumerate(check.expect)
            ]
            step["check"] = {"query": query, "expect": expect}
            conditions = list(triples(query["where"]))
            operands = [(name, operand) for name, _, operand in conditions]
            operands += [(name, operand) for row in expect for name, operand in zip(query["select"], row, strict=True)]
            self._note_kinds(where, kinds, relation, operands)
            fixed = {name: operand for name, operator, operand in reversed(conditions) if operator == "="}
            self._declare(relation, fixed, known)
        if alternatives is not None:
            step["for"] = [
                {name: self._stored(kinds, name, value) for name, value in alternative.items() if name in kinds}
                for alternative in known
            ]
        return step

    def _source(self, text: str, place: str, alternatives: tuple[Parameters, ...]) -> Source:
        varying = {name for alternative in alternatives for name in alternative}
        values = {name: value for name, value in self.values.items() if name not in varying}
        return Source(text, place, self.relation_of, values, alternatives, self.used)

    def _used(self, relation: Relation, form: Json) -> tuple[Relation, Json]:
        self.relations[relation.name] = relation
        return relation, form

    def _row(self, place: str, relation: Relation, query: Json, row: Any, known: tuple[Parameters, ...]) -> list[Any]:
        """Return an expected row as a list of operands, in the order in which the query selects the attributes."""
        names = query["select"]
        source = self._source(str(row), place, known)
        if isinstance(row, dict):
            if sorted(row) != sorted(names):
                source.refuse(f"the row must have exactly the attributes that the query selects: {', '.join(names)}")
            row = [row[name] for name in names]
        if len(row) != len(names):
            source.refuse(f"the row must have {len(names)} values, for {', '.join(names)}")
        return [_expected(source, relation, name, value) for name, value in zip(names, row, strict=True)]

    def _note_kinds(
        self, place: str, kinds: dict[str, str], relation: Relation, operands: Iterable[tuple[str, Any]]
    ) -> None:
        """Record in `kinds` the type of each parameter among the operands. A parameter has the type of the attribute
        that is used with the parameter. Raise BadInput if a parameter is used with attributes of different types."""
        for attribute, operand in operands:
            if name := parameter_of(operand):
                kind = relation.attributes[attribute]
                if kinds.setdefault(name, kind) != kind:
                    message = f"{place}: :{name} is used as {kinds[name]} and as {kind}; use two parameters."
                    raise BadInput("bad_input", message, field=place)

    def _stored(self, kinds: Mapping[str, str], name: str, value: Value) -> Value:
        relation = Relation("parameter", {name: kinds[name]}, (name,), (name,))  # type: ignore[dict-item]
        return relation.stored(name, value)

    def _declare(self, relation: Relation, operands: Mapping[str, Any], alternatives: Sequence[Parameters]) -> None:
        """Add the pages of a statement or query to `self.pages`. Each alternative uses one page. `operands` has an
        operand for each attribute in `page_by`."""
        for alternative in alternatives or (NO_ALTERNATIVE,):
            values = {}
            for name in relation.page_by:
                parameter = parameter_of(operands[name])
                values[name] = (
                    relation.stored(name, alternative[parameter]) if parameter else value_of(operands[name], {})
                )
            self.pages.add(relation.page(values))


def _expected(source: Source, relation: Relation, name: str, value: Value) -> Operand:
    """Return the operand for `value`, which stands in an expected row of a request. The row belongs to a check. In the
    row, :NAME stands for the parameter NAME, and ::TEXT stands for the text :TEXT. `name` is the attribute."""
    if parameter := parameter_of(value):
        return source.parameter(relation, name, parameter)
    return literal(source.stored(relation, name, value_of(value, {})))


def _digest(args: Json) -> str:
    text = json.dumps(args, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:DIGEST_CHARACTERS].decode()


def program_of(body: WriteBody, user: str, relation_of: Callable[[str], Relation]) -> Program:
    """Return the program of a request that `user` makes. Raise BadInput if a part of the request is invalid. The error
    names this part."""
    parameters = body.parameters or {}
    if "user" in parameters:
        raise BadInput(
            "bad_input",
            "parameters.user: this name is reserved, because `:user` always stands for the caller. Rename the"
            " parameter.",
            field="parameters",
        )
    reader = _Reader(relation_of, {**parameters, "user": user})
    args = reader.step("", body.update, body.check)
    args["merge"] = [
        reader.step(f"merge.{number}.", step.update, step.check, step.alternatives)
        for number, step in enumerate(body.merge)
    ]
    check_parameters(parameters, reader.used)
    args["relations"] = {name: relation.carried for name, relation in reader.relations.items()}
    args["digest"] = _digest(args)
    return Program(args, sorted(reader.pages))
