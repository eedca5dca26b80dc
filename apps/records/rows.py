"""Reads pages to answer the queries that clients send. When a write is played, query.lua answers the queries of the
write's checks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from apps.records.canonical import triples, value_of
from apps.records.relation import Relation, Value, by_bytes

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
}


def pages_of(relation: Relation, query: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pages that a query reads: one for each combination of values that the query gives to the attributes in
    `page_by`."""
    fixed: dict[str, list[Value]] = {}
    for name, comparison, operand in triples(query["where"]):
        if comparison in {"=", "in"} and name in relation.page_by:
            listed = [value_of(one, {}) for one in (operand if comparison == "in" else [operand])]
            fixed[name] = [value for value in fixed.get(name, listed) if value in listed]
    for values in product(*(dict.fromkeys(fixed[name]) for name in relation.page_by)):
        yield relation.page(dict(zip(relation.page_by, values, strict=True)))


def answer(relation: Relation, query: Mapping[str, Any], pages: Iterable[Mapping[str, str]]) -> list[dict[str, Value]]:
    """Return the rows that a query selects from these pages, in the form that clients see. The rows are sorted as the
    query orders them. Rows that are equal in this order are sorted by their keys."""
    conditions = [
        (name, COMPARE[comparison], _comparable(operand)) for name, comparison, operand in triples(query["where"])
    ]
    found = [
        record
        for page in pages
        for record in relation.records(page)
        if all(holds(by_bytes(record[name]), value) for name, holds, value in conditions)
    ]
    found.sort(key=lambda record: [by_bytes(record[name]) for name in relation.key])
    order = query.get("order", [])
    for name, direction in reversed(list(zip(order[::2], order[1::2], strict=True))):
        found.sort(key=lambda record: by_bytes(record[name]), reverse=direction == "descending")
    return [
        {name: relation.shown(name, record[name]) for name in query["select"]} for record in found[: query.get("limit")]
    ]


def _comparable(operand: Any) -> Any:
    if isinstance(operand, list):
        return [by_bytes(value_of(one, {})) for one in operand]
    return by_bytes(value_of(operand, {}))
