"""The patterns of all names, each defined here and nowhere else. They are meant for `fullmatch`."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")  # a user, a request, a series, a cluster
LABEL = re.compile(r"[a-z0-9_-]{1,32}")  # a replica, to people
SERVER = re.compile(rf"(?:[0-9]{{16}}:)*{LABEL.pattern}~[a-z0-9]{{1,16}}")  # a server id; the stamps are its creation
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]{1,255}):[0-9]{1,5}")  # HOST:PORT, where a replica listens
UNREACHABLE = (".", "..")  # a browser takes these for steps in a path, so nothing that stands in one has such a name
