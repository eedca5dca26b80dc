"""The Lua scripts: how a verb, the engine and the applications become one script.

A verb that plays writes is the applications, then the engine, then the verb itself; any other verb needs only the
order. Application code sees none of the engine's locals (it comes first) and none of the globals of Redis (they are
shadowed), so it can neither reach a key nor ask for a clock or a random number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayou.application import Application
from bayou.stamps import STAMP_MAX
from storage.keys import lua_keys

EVENTS_MAX = 10_000  # transactions that the stream for screens keeps, about

PLAYING = ("accept", "receive", "commit")
PLAIN = ("begin", "adopt", "state", "read", "select", "log")

_FOLDER = Path(__file__).parent / "lua"
_ENGINE = {"Redis": "redis", "Pages": "pages", "Play": "play", "Log": "log", "Replay": "replay"}  # in order of need
_SHADOWS = (
    "local redis, cjson, cmsgpack, struct, bit, KEYS, ARGV, Apps, os, pairs, next, _G, getfenv, setfenv, "
    "loadstring, load, rawset, rawget, collectgarbage, gcinfo, newproxy, setmetatable, getmetatable, pcall, xpcall\n"
    "local math = {floor = math.floor, min = math.min, max = math.max, abs = math.abs, huge = math.huge}\n"
)


def script(verb: str, applications: Sequence[Application]) -> str:
    """The whole text of a verb's script."""
    parts = []
    if verb in PLAYING:
        parts.append("local Apps = {}\n")
        parts += [f"Apps['{app.tag}'] = (function()\n{_SHADOWS}{app.lua}\nend)()\n" for app in applications]
        parts.append(f"local EVENTS_MAX, STAMP_MAX = {EVENTS_MAX}, {STAMP_MAX}\n")
    parts += [lua_keys(), _module("Order", "order")]
    if verb in PLAYING:
        parts += [_module(name, file) for name, file in _ENGINE.items()]
    parts.append((_FOLDER / f"{verb}.lua").read_text())
    return "".join(parts)


def _module(name: str, file: str) -> str:
    return f"local {name} = (function()\n{(_FOLDER / 'engine' / f'{file}.lua').read_text()}\nreturn {name}\nend)()\n"
