"""The canonical form in which a write carries queries and statements. query.lua and changes.lua describe this form.

An operand stands for a value or for a parameter. The operand of a parameter is the text :NAME. The operand of a value
is the value. But if the value is a text that begins with a colon, the operand has a second colon in front.

A step of a write may have alternatives. Each alternative gives values to the parameters of the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.records.relation import Value

Json = dict[str, Any]
Operand = Value


def literal(value: Value) -> Operand:
    """Return the operand that stands for this value."""
    return f":{value}" if isinstance(value, str) and value.startswith(":") else value


def parameter_of(operand: Operand) -> str | None:
    """Return the name of the parameter that an operand stands for; None if the operand stands for a value."""
    is_parameter = isinstance(operand, str) and operand.startswith(":") and not operand.startswith("::")
    return str(operand)[1:] if is_parameter else None


def value_of(operand: Operand, alternative: Mapping[str, Value]) -> Value:
    """Return the value that an operand has in this alternative. `alternative` maps the names of parameters to
    values."""
    parameter = parameter_of(operand)
    if parameter is not None:
        return alternative[parameter]
    return operand[1:] if isinstance(operand, str) and operand.startswith(":") else operand


def triples(where: Sequence[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (attribute, operator, operand) for each condition. `where` is one flat list: attribute, operator, operand,
    attribute, ..."""
    return zip(where[::3], where[1::3], where[2::3], strict=True)
