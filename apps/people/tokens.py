"""Tokens: NAME.SECRET. Whoever holds one is NAME; replicas keep its hash alone.

The secret is random and long, so one round of SHA-256 is enough: there is nothing to guess from. The name stands in the
token so that a replica finds the one page that it has to compare with.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from bayou.names import NAME

SECRET_BYTES = 24
TOKEN_CHARACTERS_MAX = 128

_TOKEN = re.compile(rf"(?P<name>{NAME.pattern})\.[A-Za-z0-9_-]{{16,48}}")


def new_token(name: str) -> str:
    """A token of this person that no other token is."""
    return f"{name}.{secrets.token_urlsafe(SECRET_BYTES)}"


def name_of(token: str) -> str | None:
    """Whose token it says it is; None for what is no token."""
    found = _TOKEN.fullmatch(token) if len(token) <= TOKEN_CHARACTERS_MAX else None
    return found["name"] if found else None


def hash_of(token: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_hash_of(kept: str, token: str) -> bool:
    """Compared in the same time whatever is different."""
    return secrets.compare_digest(kept, hash_of(token))
