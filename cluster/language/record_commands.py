"""The commands of relations and records: define, write, read and conflicts.

The definition of a relation and the rules of a write are in YAML files. A script names a file by its path, relative to
the current folder. If there is no such file, the path is relative to the folder of the project.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from cluster.language.client_commands import BEHIND, CONFLICT, accepted
from cluster.language.parser import Command, Complaint
from cluster.language.world import client_of
from cluster.rest import Answer, Request

ROOT = Path(__file__).parent.parent.parent


class RecordCommands:
    """Carries out the commands of relations and records. `as_client` sends a client's request, and `print_result`
    prints a line of the results."""

    def __init__(self, as_client: Callable[[str, Request], Answer], print_result: Callable[[str], object]) -> None:
        self._as_client = as_client
        self._print_result = print_result
        self._writes = 0

    def define(self, command: Command) -> None:
        client, path = command.words
        relation = accepted(self._as_client(client, Request("POST", "/relations", _document(path))))
        self._print_result(f"{relation['relation']} {relation['state']}")

    def write(self, command: Command) -> None:
        client, path, *given = command.words
        self._writes += 1
        name = f"w{self._writes}"
        body = _document(path)
        parameters = {**(body.get("parameters") or {}), **dict(map(_parameter, given))}
        body |= {"request": name, **({"parameters": parameters} if parameters else {})}
        answer = self._as_client(client, Request("POST", "/records", body))
        if answer.status == CONFLICT and answer.code == "conflict":
            self._print_result(f"{name} refused")
        elif answer.status == BEHIND:
            self._print_result(f"{name} ERR_DEP")
        else:
            written = accepted(answer)
            step = ".".join(str(written[part]) for part in ("step", "alternative") if written[part])
            outcome = f"{written['outcome']} {step}".rstrip()
            changed = "; ".join(map(_change, written["changed"]))
            self._print_result(f"{name} {outcome} {written['state']}: {changed}")

    def read(self, command: Command) -> None:
        client, query = command.words[0], command.text.split(maxsplit=1)[1]
        answer = self._as_client(client, Request("GET", f"/records?{urlencode({'query': query})}"))
        if answer.status == BEHIND:
            self._print_result("ERR_DEP")
            return
        for row in accepted(answer)["rows"]:
            self._print_result(_values(row))

    def conflicts(self, command: Command) -> None:
        client, relation = command.words
        answer = self._as_client(client, Request("GET", f"/relations/{quote(relation, safe='')}/conflicts"))
        for one in accepted(answer)["conflicts"]:
            wanted = "; ".join(map(_change, one["wanted"]))
            self._print_result(f"{client_of(one['user'])} {one['state']}: {wanted}")
            for obstacle in one["in_the_way"]:
                how = "missing" if obstacle["is_missing"] else "in the way"
                self._print_result(f"  {how}: {_values(obstacle['record'])}")


def read_file(path: str) -> str:
    """Return the text of a file that a command names. Raise Complaint if the file does not exist or cannot be read."""
    found = next((place for place in (Path(path), ROOT / path) if place.is_file()), None)
    if found is None:
        raise Complaint(f"there is no file {path} in the current folder or in the folder of the project")
    try:
        return found.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise Complaint(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def _document(path: str) -> dict[str, Any]:
    """Return the YAML document in a file. Raise Complaint if the file does not exist, or is not a YAML mapping."""
    text = read_file(path)
    try:
        document = json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (yaml.YAMLError, TypeError) as error:
        raise Complaint(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise Complaint(f"{path} must be a YAML mapping of names to values, such as `update: …`")
    return document


def _parameter(text: str) -> tuple[str, str | int]:
    """Split NAME=VALUE into the name and the value. The value is an int if it is a whole number, else text. Raise
    Complaint if the form is wrong."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Complaint(f"{text} does not have the form NAME=VALUE, such as day=2026-12-01")
    is_number = value.isascii() and value.removeprefix("-").isdigit()
    return name, int(value) if is_number else value


def _change(change: Mapping[str, Any]) -> str:
    relation = str(change["relation"]).partition("~")[0]
    return f"{change['op']} {relation} {_values(change['record'])}"


def _values(record: Mapping[str, Any]) -> str:
    """Return the values of a record as a text, separated by spaces. An empty value becomes `-`."""
    return " ".join(str(value) or "-" for value in record.values())
