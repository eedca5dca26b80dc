"""The Lua scripts: how a command, the engine and the applications become one script.

Each file of lua/commands is a command. Lines at its head name the other files of lua/ that it needs:

    --- @include "engine/vectors"

The included file returns a table. The line makes that table a local variable with the name of the file, here `Vectors`.
Included files may include other files. Each file is loaded once, after the files that it needs.

A script consists of these parts, in this order:

1. The applications, only if the command includes engine/play. The table Apps has the applications. The list Judges has
   the tags of the applications that judge the rights of users (`is_judge`). This part is the first part, so that the
   applications cannot use the local variables of the engine. The globals of Redis are hidden from the applications. So
   an application can neither access a key nor read a clock or a random number.
2. Variables for every command: EVENTS_MAX, RECENT_MAX, STAMP_MAX, AHEAD_US_MAX, and the keys `K` and `keys_of`
   (storage/keys.py).
3. The included files, then the command.

If a command plays writes, parts 2 and 3 are the body of a function. The last line of the script calls that function. If
SCRIPT KILL has ended the play of a write, the last line returns the error HUNG.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from bayou.application import LuaApplication
from bayou.payloads import RECENT_MAX
from bayou.stamps import AHEAD_US_MAX, STAMP_MAX
from storage.keys import lua_keys

EVENTS_MAX = 10_000  # transactions that the event stream keeps, about

HASH_DIGITS = 16
HUNG = "HUNG"  # begins the error of a script that plays a write for ever: HUNG ID NAME/VERSION
EMPTIED = "EMPTIED"  # begins the error of a script that finds no namespace

FOLDER = Path(__file__).parent / "lua"
VERBS = tuple(sorted(file.stem for file in (FOLDER / "commands").glob("*.lua")))

_COMMENT = re.compile(r"--\[\[.*?\]\]\n?|^[ \t]*--[^\n]*\n?", re.MULTILINE | re.DOTALL)  # whole lines and blocks only
_INCLUDE = re.compile(r'^--- @include "([^"]*)"$', re.MULTILINE)
# Scripts allocate much that soon is garbage. By default a collection begins when memory has doubled since the last one;
# here, when it has tripled. To wait longer costs more, because the freed memory has left the processor's caches. The
# second setting makes a collection end sooner.
_COLLECTOR = "collectgarbage('setpause', 300) collectgarbage('setstepmul', 400)\n"
# Where the namespace was emptied under a running replica, no command but `begin` may write into it.
_NAMESPACE_CHECK = f"if not generation then return redis.error_reply('{EMPTIED} the namespace is empty') end\n"
_SHADOWS = (
    "local redis, cjson, cmsgpack, struct, bit, KEYS, ARGV, Apps, os, pairs, next, _G, getfenv, setfenv, "
    "loadstring, load, rawset, rawget, collectgarbage, gcinfo, newproxy, setmetatable, getmetatable, pcall, xpcall, "
    "debug, coroutine, print, rawequal, require, module, package, io, dofile, loadfile\n"
    "local math = {floor = math.floor, min = math.min, max = math.max, abs = math.abs, huge = math.huge}\n"
)
# One line, because SCRIPT KILL raises an error at every new line. An error of Redis is returned and not raised again,
# because that would hide its code, such as MISCONF.
_CALL = (
    "\nend\nlocal ok, reply = pcall(command)"
    f" if not ok then return {{err = Hung and '{HUNG} ' .. Hung or reply}} end return reply\n"
)
# The functions of an application are created when its first write is played: most transactions play one application.
_ON_DEMAND = """
local chunks = Apps
Apps = setmetatable({}, {__index = function(made, tag)
  made[tag] = chunks[tag] and chunks[tag]()
  return rawget(made, tag)
end})
"""


def script(verb: str, applications: Sequence[LuaApplication]) -> str:
    """Return the whole text of a command's script."""
    parts = [_COLLECTOR]
    plays = "engine/play" in included(FOLDER, f"commands/{verb}")
    if plays:
        parts.append("local Apps = {}\n")
        parts += [
            f"Apps['{tag}'] = function()\n{_SHADOWS}{_rules(lua)}\nend\n"
            for application in applications
            for tag, lua in application.rules.items()
        ]
        judges = ", ".join(f"'{application.tag}'" for application in applications if application.is_judge)
        parts += [_ON_DEMAND, f"local Judges = {{{judges}}}\n", "local Hung\nlocal function command()\n"]
    numbers = f"{EVENTS_MAX}, {RECENT_MAX}, {STAMP_MAX}, {AHEAD_US_MAX}"
    parts.append(f"local EVENTS_MAX, RECENT_MAX, STAMP_MAX, AHEAD_US_MAX = {numbers}\n")
    parts += [lua_keys(), "" if verb == "begin" else _NAMESPACE_CHECK, assembled(FOLDER, f"commands/{verb}")]
    if plays:
        parts.append(_CALL)
    return "".join(parts)


def rules(application: LuaApplication) -> str:
    """Return the Lua text of an application's present version."""
    return _rules(application.lua)


def rules_by_tag(applications: Iterable[LuaApplication]) -> dict[str, str]:
    """Return tag -> hash of the rules, for each version that these applications can play. Comments do not change the
    hash. Replicas compare these hashes, because different rules for one tag give different results."""
    return {
        tag: hashlib.sha256(_COMMENT.sub("", _rules(lua)).encode()).hexdigest()[:HASH_DIGITS]
        for application in applications
        for tag, lua in application.rules.items()
    }


def _rules(lua: Path) -> str:
    """Return one text: the files that an application's Lua file includes, and then the Lua file itself. All these files
    are in one folder."""
    return assembled(lua.parent, lua.stem)


@cache
def assembled(root: Path, name: str) -> str:
    """Return one text: the Lua files that the file `name` includes, and then the file `name` itself. All these files
    are in the folder `root`."""
    *modules, (_, text) = included(root, name).items()
    return "".join([_module(*module) for module in modules]) + text


def _module(name: str, text: str) -> str:
    return f"local {name.rpartition('/')[2].capitalize()} = (function()\n{text}end)()\n"


@cache
def included(root: Path, name: str) -> Mapping[str, str]:
    """Return file name -> text for a Lua file and all files that it includes. `name` is the name of the Lua file in the
    folder `root`. Each file comes after the files that it needs.

    Raises ValueError if a line includes a file that does not exist, or if files include each other in a circle.
    """
    found: dict[str, str] = {}
    _include(root, (name,), found)
    return found


def _include(root: Path, path: tuple[str, ...], found: dict[str, str]) -> None:
    """Add the last file of `path` to `found`, after the files that this file includes. Each file of `path` includes the
    next one."""
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
