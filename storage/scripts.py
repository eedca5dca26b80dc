"""The Lua scripts: how a command, the engine and the applications become one script.

Each file of lua/commands is a command. At its head, lines such as

    --- @include "engine/vectors"

name the files below lua/ that it needs. An included file returns a table, and the line makes that table a local with
the name of the file: `Vectors`. Included files include others in turn; each is loaded once, after those that it needs.

A script begins with the applications, where the engine plays them: so their code sees none of the engine's locals, and
the globals of Redis are shadowed in it. It can neither reach a key nor ask for a clock or a random number. Then come
what every command may use: EVENTS_MAX, STAMP_MAX and the keys (storage/keys.py), then the included files, then the
command itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from bayou.application import LuaApplication
from bayou.stamps import STAMP_MAX
from storage.keys import lua_keys

EVENTS_MAX = 10_000  # transactions that the stream for screens keeps, about

EMPTIED = "EMPTIED"  # begins the error of a script that finds no namespace

FOLDER = Path(__file__).parent / "lua"
VERBS = tuple(sorted(file.stem for file in (FOLDER / "commands").glob("*.lua")))

_INCLUDE = re.compile(r'^--- @include "([^"]*)"$', re.MULTILINE)
# A script makes much that is thrown away. By default Lua looks through all that lives each time as much again was made;
# here, twice as much. To wait longer costs more: what is freed has left the processor's caches. A cycle that has begun
# ends soon.
_COLLECTOR = "collectgarbage('setpause', 300) collectgarbage('setstepmul', 400)\n"
# A namespace that was emptied under a running replica is no new one: nobody writes into it before it was looked at.
_WHOLE = f"if not generation then return redis.error_reply('{EMPTIED} the namespace is empty') end\n"
_SHADOWS = (
    "local redis, cjson, cmsgpack, struct, bit, KEYS, ARGV, Apps, os, pairs, next, _G, getfenv, setfenv, "
    "loadstring, load, rawset, rawget, collectgarbage, gcinfo, newproxy, setmetatable, getmetatable, pcall, xpcall, "
    "debug, coroutine, print, rawequal, require, module, package, io, dofile, loadfile\n"
    "local math = {floor = math.floor, min = math.min, max = math.max, abs = math.abs, huge = math.huge}\n"
)
# An application's functions are made when its first write is played: most transactions play one application's.
_ON_DEMAND = """
local chunks = Apps
Apps = setmetatable({}, {__index = function(made, tag)
  made[tag] = chunks[tag] and chunks[tag]()
  return rawget(made, tag)
end})
"""


def script(verb: str, applications: Sequence[LuaApplication]) -> str:
    """The whole text of a command's script."""
    parts = [_COLLECTOR]
    if "engine/play" in included(FOLDER, f"commands/{verb}"):
        parts.append("local Apps = {}\n")
        parts += [f"Apps['{app.tag}'] = function()\n{_SHADOWS}{rules(app)}\nend\n" for app in applications]
        parts.append(_ON_DEMAND)
    parts.append(f"local EVENTS_MAX, STAMP_MAX = {EVENTS_MAX}, {STAMP_MAX}\n")
    parts += [lua_keys(), "" if verb == "begin" else _WHOLE, assembled(FOLDER, f"commands/{verb}")]
    return "".join(parts)


def rules(application: LuaApplication) -> str:
    """The text of an application's Lua. Its files include each other, by names below the folder of the main one."""
    return assembled(application.lua.parent, application.lua.stem)


@cache
def assembled(root: Path, name: str) -> str:
    """The text of the Lua file `name` below `root`, behind the files that it includes."""
    *modules, (_, text) = included(root, name).items()
    return "".join([_module(*module) for module in modules]) + text


def _module(name: str, text: str) -> str:
    return f"local {name.rpartition('/')[2].capitalize()} = (function()\n{text}end)()\n"


@cache
def included(root: Path, name: str) -> Mapping[str, str]:
    """The Lua file `name` below `root` and all that it includes, name to text, each after the files that it needs.

    ValueError where a line includes a file that does not exist, or where files include each other in a circle.
    """
    found: dict[str, str] = {}
    _include(root, (name,), found)
    return found


def _include(root: Path, path: tuple[str, ...], found: dict[str, str]) -> None:
    """Adds the last file of `path`, in which each file includes the next one."""
    file = _file(root, path[-1])
    text = file.read_text(encoding="utf-8")
    for name in _INCLUDE.findall(text):
        if name in path:
            raise ValueError(f"Lua files include each other in a circle: {' -> '.join([*path, name])}.")
        if not _file(root, name).is_file():
            raise ValueError(f'{file} includes "{name}", but there is no file {_file(root, name)}.')
        if name not in found:
            _include(root, (*path, name), found)
    found[path[-1]] = text


def _file(root: Path, name: str) -> Path:
    return root / f"{name}.lua"
