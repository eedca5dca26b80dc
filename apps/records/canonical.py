"""The canonical form of queries and statements, as writes carry it: query.lua and changes.lua describe it.

An operand is a value, or the text :NAME, which stands for a parameter of an alternative. A text that begins with a
colon itself gets a second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.records.relation import Value

Json = dict[str, Any]
Operand = Value


def literal(value: Value) -> Operand:
    """Return the operand for a value."""
    return f":{value}" if isinstance(value, str) and value.startswith(":") else value


def parameter_of(operand: Operand) -> str | None:
    """Return the name of the parameter that an operand stands for, None if it is a value."""
    is_parameter = isinstance(operand, str) and operand.startswith(":") and not operand.startswith("::")
    return str(operand)[1:] if is_parameter else None


def value_of(operand: Operand, alternative: Mapping[str, Value]) -> Value:
    """Return the value of an operand, in this alternative."""
    parameter = parameter_of(operand)
    if parameter is not None:
        return alternative[parameter]
    return operand[1:] if isinstance(operand, str) and operand.startswith(":") else operand


def triples(where: Sequence[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the attribute, operator and operand of each condition."""
    return zip(where[::3], where[1::3], where[2::3], strict=True)
