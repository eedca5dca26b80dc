"""The Lua scripts: how the engine, the applications and a verb become one script.

Application code comes first, so that it sees none of the engine's locals, and the globals of Redis are shadowed in it:
it can neither reach a key nor ask for a clock or a random number. Then come the keys, the parts of the engine that the
verb names below, and the verb itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bayou.application import LuaApplication
from bayou.stamps import STAMP_MAX
from storage.keys import lua_keys

EVENTS_MAX = 10_000  # transactions that the stream for screens keeps, about

EMPTIED = "EMPTIED"  # begins the error of a script that finds no namespace

_FOLDER = Path(__file__).parent / "lua"
_PLAYING = ("pages", "play", "log", "replay")
_ENGINE = ("redis", "vectors", "held", "members", *_PLAYING)
VERBS: dict[str, tuple[str, ...]] = {
    # verb: the files of lua/engine that it needs, in the order of need
    "accept": (*_ENGINE, "views"),
    "receive": _ENGINE,
    "commit": _ENGINE,
    "force": _ENGINE,
    "install": ("redis", "vectors", "members"),  # and, once the state is switched, see _SECOND_HALF
    "read": ("vectors", "held", "views"),
    "select": ("vectors",),
    "truncate": ("redis", "members"),
    "stage": ("redis",),
    "sightings": ("redis",),
    "state_chunk": (),
    "begin": (),
    "adopt": (),
    "state": (),
    "log": (),
    "history": (),
}
# A script makes much that is thrown away. By default Lua looks through all that lives each time as much again was made;
# here, twice as much. To wait longer costs more: what is freed has left the processor's caches. A cycle that has begun
# ends soon.
_COLLECTOR = "collectgarbage('setpause', 300) collectgarbage('setstepmul', 400)\n"
# A namespace that was emptied under a running replica is no new one: nobody writes into it before it was looked at.
_WHOLE = f"if not generation then return redis.error_reply('{EMPTIED} the namespace is empty') end\n"
_SECOND_HALF = {"install": ("held", *_PLAYING)}  # then `installed.lua`
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
    """The whole text of a verb's script."""
    first, second = VERBS[verb], _SECOND_HALF.get(verb, ())
    parts = [_COLLECTOR]
    if "play" in first + second:
        parts.append("local Apps = {}\n")
        parts += [f"Apps['{app.tag}'] = function()\n{_SHADOWS}{app.lua}\nend\n" for app in applications]
        parts.append(_ON_DEMAND)
    parts.append(f"local EVENTS_MAX, STAMP_MAX = {EVENTS_MAX}, {STAMP_MAX}\n")
    parts += [lua_keys(), "" if verb == "begin" else _WHOLE, _module("order"), *map(_module, first), _verb(verb)]
    if second:
        parts += [*map(_module, second), _verb("installed")]
    return "".join(parts)


@cache
def _module(file: str) -> str:
    name = file.capitalize()
    return f"local {name} = (function()\n{(_FOLDER / 'engine' / f'{file}.lua').read_text()}\nreturn {name}\nend)()\n"


@cache
def _verb(file: str) -> str:
    return (_FOLDER / f"{file}.lua").read_text()
