"""The patterns of names, each defined once. Match a pattern with `fullmatch`.

The protocol does not know rooms and songs. So the rules for the names of rooms and songs are in apps/.
"""

from __future__ import annotations

import re
import unicodedata

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._@+-]{1,64}")  # a user, a request, a series, a cluster; not . nor ..
LABEL = re.compile(r"[a-z0-9_-]{1,32}")  # a replica, to people
SERVER = re.compile(rf"(?:[0-9]{{16}}:)*{LABEL.pattern}~[a-z0-9]{{1,16}}")  # a server id; the stamps are its creation
TAG = re.compile(r"([a-z][a-z0-9_]{0,31})/([1-9][0-9]{0,8})")  # an application and its version
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")  # the name of a replica behind a reverse proxy
_ADDRESS = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]):([0-9]{1,5})")
PORT_MAX = 65535

UNREACHABLE = (".", "..")  # a browser resolves these in a path, so no name in a path may be one of them

# Invisible, but part of a written word or of an emoji: they are allowed in the names of rooms.
JOINERS = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}

# Unicode's Bidi_Control: they are invisible, and may make a text look like another one.
BIDI_CONTROLS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def fold_spaces(text: str) -> str:
    """Return the text in Unicode's composed form (NFC). Each kind of space becomes a plain space."""
    return "".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in unicodedata.normalize("NFC", text))


def is_readable(text: str) -> bool:
    """Return whether people can see every character of the text. Joiners (JOINERS) are allowed."""
    return all(sign.isprintable() or sign in JOINERS for sign in text)


def on_one_line(text: str) -> str:
    """Return a text as one line, without invisible characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def label_in(server: str) -> str | None:
    """Return the label of a minted server id (LABEL~NONCE); None for the id of a created server."""
    label, tilde, _ = server.partition("~")
    return label if tilde and ":" not in label else None


def split_address(text: str) -> tuple[str, int] | None:
    """Return the host and the port of HOST:PORT; None if the text is not an address. An IPv6 host comes without its
    brackets.

    A host may have only letters, digits and a few signs, because addresses appear in HTTP headers.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) <= PORT_MAX:
        return None
    return found[1].strip("[]"), int(found[2])
