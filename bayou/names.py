"""The patterns of all names, each defined once. Match a pattern with `fullmatch`.

The names of rooms and songs have their own rules in apps/, because the protocol does not need them.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")  # a user, a request, a series, a cluster
LABEL = re.compile(r"[a-z0-9_-]{1,32}")  # a replica, to people
SERVER = re.compile(rf"(?:[0-9]{{16}}:)*{LABEL.pattern}~[a-z0-9]{{1,16}}")  # a server id; the stamps are its creation
TAG = re.compile(r"([a-z][a-z0-9_]{0,31})/([1-9][0-9]{0,8})")  # an application and its version
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")  # the name of a replica behind a reverse proxy
_ADDRESS = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]):([0-9]{1,5})")
PORT_MAX = 65535

UNREACHABLE = (".", "..")  # a browser resolves these in a path, so no name in a path may be one of them


def split_address(text: str) -> tuple[str, int] | None:
    """Return the host and the port of HOST:PORT; None if the text is not an address. An IPv6 host comes without its
    brackets.

    A host may have only letters, digits and a few signs, because addresses appear in HTTP headers.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) <= PORT_MAX:
        return None
    return found[1].strip("[]"), int(found[2])
