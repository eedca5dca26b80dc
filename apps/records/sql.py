"""Turns the SQL of queries and statements into the canonical form that query.lua and changes.lua describe.

sqlglot parses a text into a tree, and this module reads the tree. SQL that is not part of the language of records (see
README.md) is refused. The error names the position in the text. sqlglot takes 16 MB of memory, so this module is
imported only when the first text is parsed.

    SELECT who FROM meetings WHERE room = '6.12' AND day = :day AND start < 600 ORDER BY start LIMIT 3
    INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.12', :day, 540, 600, :user)
    UPDATE meetings SET who = 'ann' WHERE room = '6.12' AND day = '2026-12-01' AND start = 540
    DELETE FROM meetings WHERE room = '6.12' AND day = '2026-12-01' AND start = 540
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import sqlglot
from sqlglot import exp

from apps.records.canonical import Json, Operand, literal, triples
from apps.records.relation import Relation, Value
from bayou.errors import BadInput

IN_MAX = 50  # values that a read may list
LIMIT_MAX = 10_000
OPERATORS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
ALLOWED = {  # parts of an expression that are understood; anything else is refused
    "Select": {"expressions", "from_", "where", "order", "limit", "kind"},
    "Insert": {"this", "expression", "is_function"},
    "Update": {"this", "expressions", "where"},
    "Delete": {"this", "where"},
    "Ordered": {"this", "desc", "nulls_first"},
    "Limit": {"expression"},
}


@dataclass(frozen=True, slots=True)
class Source:
    """A SQL text to parse.

    place         the field of the request that holds the text
    relation_of   finds a relation by the name in the text
    values        parameter -> value, for the parameters of the whole request
    alternatives  the alternatives of the step, each with values for other parameters; empty if the step has none
    used          the names of the parameters that the texts of the request use; each text adds names to this set
    """

    text: str
    place: str
    relation_of: Callable[[str], Relation]
    values: Mapping[str, object]
    alternatives: tuple[Mapping[str, object], ...] = ()
    used: set[str] = field(default_factory=set)

    def refuse(self, reason: str, node: Any = None) -> NoReturn:
        """Raise BadInput with this reason. `node` is the part of the text that is refused."""
        position = _place(node)
        raise BadInput("bad_input", f"{self.place}{position}: {reason}.", field=self.place, text=self.text)

    def operand(self, relation: Relation, attribute: str, node: Any) -> Operand:
        """Return the operand for `node`, the part of the SQL text that stands for a value of the attribute. Raise
        BadInput if `node` is neither a value nor a parameter, or if a value does not fit the type of the attribute."""
        if isinstance(node, exp.Placeholder) and isinstance(node.this, str):
            return self.parameter(relation, attribute, node.this)
        value: object
        if isinstance(node, exp.Literal):
            value = node.this if node.is_string else _whole(node.this)
        elif isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
            number = _whole(node.this.this)
            value = None if number is None else -number
        else:
            self.refuse(
                f"{node.sql()[:60]!r} is not a value; write a text in quotes, a whole number or :parameter", node
            )
        return literal(self.stored(relation, attribute, value))

    def parameter(self, relation: Relation, attribute: str, name: str) -> Operand:
        """Return the operand for `:name`. For a parameter of the whole request, the operand is the value of the
        parameter. For a parameter of the alternatives, the operand stays `:name`. Raise BadInput if a value of the
        parameter does not fit the type of the attribute."""
        self.used.add(name)
        if name in self.values:
            return literal(self.stored(relation, attribute, self.values[name]))
        if not self.alternatives or any(name not in alternative for alternative in self.alternatives):
            lacking = [i for i, one in enumerate(self.alternatives, 1) if name not in one]
            if 0 < len(lacking) < len(self.alternatives):
                self.refuse(
                    f"alternative {lacking[0]} of `for` has no :{name}; give all alternatives the same parameters"
                )
            names = sorted({*self.values, *(n for alternative in self.alternatives for n in alternative)})
            known = ", ".join(f":{one}" for one in names) or "none"
            self.refuse(
                f"there is no parameter :{name}; the parameters are: {known}. Correct the name, or give :{name} a value"
                " in `parameters` (client.py: --set)"
            )
        for alternative in self.alternatives:
            self.stored(relation, attribute, alternative[name])
        return f":{name}"

    def stored(self, relation: Relation, attribute: str, value: object) -> Value:
        try:
            return relation.stored(attribute, value)
        except ValueError as reason:
            self.refuse(str(reason))

    def parsed(self) -> exp.Expr:
        """Return the tree of the text, which must be one statement."""
        try:
            found = [one for one in sqlglot.parse(self.text, read="sqlite") if one is not None]
        except sqlglot.errors.SqlglotError as error:
            self.refuse(_parse_error(error))
        if len(found) != 1:
            self.refuse(f"the text must be one statement, but it has {len(found)}")
        return found[0]

    def check_parts(self, node: Any) -> None:
        """Refuse an expression that has a part outside the language of records."""
        for part, value in node.args.items():
            if value and part not in ALLOWED[type(node).__name__]:
                name = part.upper().replace("_", " ").strip()
                self.refuse(f"{name} is not part of the SQL for records; leave it out", node)

    def relation(self, node: Any) -> Relation:
        if not isinstance(node, exp.Table) or node.db or node.alias:
            self.refuse("name exactly one relation, without an alias", node)
        return self.relation_of(node.name)

    def attribute(self, relation: Relation, node: Any) -> str:
        if not isinstance(node, (exp.Column, exp.Identifier)) or (isinstance(node, exp.Column) and node.table):
            self.refuse(f"{node.sql()[:60]!r} is not an attribute; write the bare name of an attribute", node)
        if node.name not in relation.attributes:
            known = ", ".join(relation.attributes)
            self.refuse(f"{relation.base_name} has no attribute {node.name[:64]!r}; it has {known}", node)
        name: str = node.name
        return name


def check_parameters(given: Iterable[str], used: Iterable[str]) -> None:
    """Raise BadInput if the request gives a parameter that none of its SQL texts uses."""
    for name in given:
        if name not in used:
            known = ", ".join(f":{one}" for one in sorted(used)) or "no parameter"
            message = (
                f"parameters.{name[:64]}: the SQL does not use :{name[:64]}; it uses {known}. Correct the name, or"
                " leave the parameter out."
            )
            raise BadInput("bad_input", message, field=f"parameters.{name[:64]}")


def read_query(source: Source, *, may_list: bool = False) -> tuple[Relation, Json]:
    """Return the relation and the canonical form of a SELECT. With `may_list`, the text may use the SQL operator `IN`
    for the attributes in `page_by`. Raise BadInput if the text is invalid."""
    tree = source.parsed()
    if not isinstance(tree, exp.Select):
        source.refuse("the text must be a SELECT")
    source.check_parts(tree)
    if tree.args.get("from_") is None:
        source.refuse("a SELECT needs FROM and a relation")
    relation = source.relation(tree.args["from_"].this)
    query: Json = {
        "relation": relation.name,
        "select": _projection(source, relation, tree.expressions),
        "where": _conditions(source, relation, tree.args.get("where"), may_list=may_list),
    }
    if order := _order(source, relation, tree.args.get("order")):
        query["order"] = order
    if limit := tree.args.get("limit"):
        source.check_parts(limit)
        number = _whole(limit.expression.this) if isinstance(limit.expression, exp.Literal) else None
        if number is None or not 1 <= number <= LIMIT_MAX:
            source.refuse(f"LIMIT takes a whole number from 1 to {LIMIT_MAX:,}", limit.expression)
        query["limit"] = number
    fixed = {name for name, operator, _ in triples(query["where"]) if operator in {"=", "in"}}
    if missing := [name for name in relation.page_by if name not in fixed]:
        source.refuse(
            f"WHERE must give {missing[0]} a value, as in {missing[0]} = …. A query reads one page, and all records of"
            f" a page have the same {', '.join(relation.page_by)}"
        )
    return relation, query


def read_statement(source: Source) -> tuple[Relation, Json]:
    """Return the relation and the canonical form of an INSERT, UPDATE or DELETE. Raises BadInput if the text is
    invalid."""
    tree = source.parsed()
    if isinstance(tree, exp.Insert):
        return _insert(source, tree)
    if not isinstance(tree, (exp.Update, exp.Delete)):
        source.refuse("the text must be an INSERT, UPDATE or DELETE")
    source.check_parts(tree)
    relation = source.relation(tree.this)
    key = _key(source, relation, tree.args.get("where"))
    if isinstance(tree, exp.Delete):
        return relation, {"op": "delete", "relation": relation.name, "values": key}
    values = key
    for one in tree.expressions:
        if not isinstance(one, exp.EQ):
            source.refuse(f"{one.sql()[:60]!r} does not have the form NAME = VALUE", one)
        name = source.attribute(relation, one.this)
        if name in relation.key:
            source.refuse(f"{name} is part of the key, which cannot change; DELETE the record and INSERT another", one)
        values[name] = source.operand(relation, name, one.expression)
    return relation, {"op": "replace", "relation": relation.name, "values": values}


def _insert(source: Source, tree: Any) -> tuple[Relation, Json]:
    source.check_parts(tree)
    if not isinstance(tree.this, exp.Schema):
        source.refuse("name the attributes: INSERT INTO relation (a, b) VALUES (…, …)")
    relation = source.relation(tree.this.this)
    names = [source.attribute(relation, one) for one in tree.this.expressions]
    rows = tree.expression.expressions if isinstance(tree.expression, exp.Values) else []
    if len(rows) != 1 or len(rows[0].expressions) != len(names):
        source.refuse(f"write VALUES with one list of {len(names)} values")
    if missing := [name for name in relation.attributes if name not in names]:
        source.refuse(f"the record needs a value for {', '.join(missing)}")
    if len(set(names)) < len(names):
        source.refuse("an attribute is named twice; name each one once")
    values = {name: source.operand(relation, name, node) for name, node in zip(names, rows[0].expressions, strict=True)}
    return relation, {"op": "insert", "relation": relation.name, "values": values}


def _projection(source: Source, relation: Relation, nodes: Iterable[Any]) -> list[str]:
    found: list[str] = []
    for node in nodes:
        found += list(relation.attributes) if isinstance(node, exp.Star) else [source.attribute(relation, node)]
    return found


def _conditions(source: Source, relation: Relation, where: Any, *, may_list: bool = False) -> list[Any]:
    """Return the conditions of a WHERE clause as one flat list: attribute, operator, operand, attribute, ... The
    clause must consist of comparisons that are joined with AND."""
    found: list[Any] = []
    nodes = [where.this] if where else []
    while nodes:
        node = nodes.pop()
        if isinstance(node, exp.And):
            nodes += [node.expression, node.this]
        elif isinstance(node, exp.Paren):
            nodes.append(node.this)
        elif isinstance(node, exp.In) and node.expressions and may_list:
            name = source.attribute(relation, node.this)
            if name not in relation.page_by or len(node.expressions) > IN_MAX:
                source.refuse(f"IN takes up to {IN_MAX} values of {' or '.join(relation.page_by)}", node.this)
            found += [name, "in", [source.operand(relation, name, one) for one in node.expressions]]
        elif operator := OPERATORS.get(type(node).__name__):
            left, right = node.this, node.expression
            if not isinstance(left, exp.Column):
                left, right, operator = right, left, TURNED[operator]
            name = source.attribute(relation, left)
            found += [name, operator, source.operand(relation, name, right)]
        else:
            source.refuse(f"{node.sql()[:60]!r} is not a comparison; join comparisons (= <> < <= > >=) with AND", node)
    return found


def _key(source: Source, relation: Relation, where: Any) -> Json:
    """Return attribute -> operand for the key that a WHERE clause names. The clause must have one equality for each
    attribute of the key, and nothing else."""
    conditions = list(triples(_conditions(source, relation, where)))
    names = sorted(name for name, _, _ in conditions)
    if names != sorted(relation.key) or any(operator != "=" for _, operator, _ in conditions):
        source.refuse(f"WHERE must name the whole key and nothing else: {' = … AND '.join(relation.key)} = …")
    return {name: operand for name, _, operand in conditions}


def _order(source: Source, relation: Relation, order: Any) -> list[str]:
    found: list[str] = []
    for node in order.expressions if order else ():
        source.check_parts(node)
        name = source.attribute(relation, node.this)
        found += [name, "descending" if node.args.get("desc") else "ascending"]
    return found


def _whole(text: str) -> int | None:
    """Return the number that a literal stands for; None if it is not a whole number of at most 16 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None


def _place(node: Any) -> str:
    """Return the position of a part in the text, as `, line 1, column 20`. Return an empty text if the parser does not
    know the position."""
    for one in node.walk() if node is not None else ():
        if "line" in one.meta:
            return f", line {one.meta['line']}, column {one.meta['col'] - len(one.name) + 1}"
    return ""


def _parse_error(error: Any) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return "the SQL cannot be read; check quotes and brackets"
    first = details[0]
    near = (first.get("highlight") or "").strip()
    return f"the SQL cannot be read at line {first['line']}, column {first['col']}" + (
        f", near {near!r}" if near else ""
    )
