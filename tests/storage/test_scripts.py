"""How Lua scripts are made from files that include each other (storage/scripts.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import apps.rooms
from storage.scripts import FOLDER, VERBS, assembled, included, script

ROOMS = Path(apps.rooms.__path__[0], "lua")
MODULES = {file.stem.capitalize(): f"engine/{file.stem}" for file in (FOLDER / "engine").glob("*.lua")}
ROOMS_MODULES = {file.stem.capitalize(): file.stem for file in ROOMS.glob("*.lua")}
FILES = [
    *((file, MODULES) for file in sorted(FOLDER.glob("*/*.lua"))),
    *((file, ROOMS_MODULES) for file in sorted(ROOMS.glob("*.lua"))),
]


def files(folder: Path, **texts: str) -> Path:
    """Write Lua files with these names and texts to a folder, and return the folder."""
    for name, text in texts.items():
        (folder / f"{name}.lua").write_text(text)
    return folder


def test_a_file_is_loaded_once_and_after_what_it_needs(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        main='--- @include "b"\n--- @include "a"\nreturn A.name .. B.name',
        b='--- @include "a"\nreturn {name = A.name .. "b"}\n',
        a='return {name = "a"}\n',
    )
    assert list(included(folder, "main")) == ["a", "b", "main"]
    assert re.findall(r"^local (\w+) = \(function\(\)$", assembled(folder, "main"), re.MULTILINE) == ["A", "B"]


def test_an_include_of_a_missing_file_is_refused_with_the_file_that_has_it(tmp_path: Path) -> None:
    folder = files(tmp_path, main='--- @include "other"\n', other='--- @include "vectosr"\n')
    with pytest.raises(ValueError, match=r'other\.lua includes "vectosr", but there is no file .*vectosr\.lua'):
        included(folder, "main")


@pytest.mark.parametrize(("last", "circle"), [("a", "a -> b -> c -> a"), ("b", "b -> c -> b"), ("c", "c -> c")])
def test_a_circle_of_includes_is_named(tmp_path: Path, last: str, circle: str) -> None:
    folder = files(tmp_path, a='--- @include "b"\n', b='--- @include "c"\n', c=f'--- @include "{last}"\n')
    with pytest.raises(ValueError, match=f"in a circle: .*{circle}"):
        included(folder, "a")


@pytest.mark.parametrize(("file", "modules"), FILES, ids=lambda value: getattr(value, "stem", ""))
def test_a_file_includes_what_it_names_and_nothing_else(file: Path, modules: dict[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    code = re.sub(r"--\[\[.*?\]\]|--[^\n]*", "", text, flags=re.DOTALL)
    named = {word for word in re.findall(r"\b([A-Z]\w*)[.\[]", code) if word in modules}
    assert re.findall(r'^--- @include "(.*)"$', text, re.MULTILINE) == sorted(
        modules[word] for word in named - {file.stem.capitalize()}
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_opens_with_its_contract(verb: str) -> None:
    head = re.match(r"(--.*\n)+", (FOLDER / "commands" / f"{verb}.lua").read_text(encoding="utf-8"))
    assert head is not None
    assert "KEYS[1]" in head[0]
    assert "Returns" in head[0]
    assert "local K = " in script(verb, ())
