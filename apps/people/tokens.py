"""Tokens of the form NAME.SECRET. A request with such a token acts as NAME. Replicas keep only a hash of the token.

The secret is long and random, so one round of SHA-256 is enough. The name tells the replica which person's hash to
compare.
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
    """Return a new token for this person."""
    return f"{name}.{secrets.token_urlsafe(SECRET_BYTES)}"


def name_of(token: str) -> str | None:
    """Return the name in a token; None if the text is not a token."""
    found = _TOKEN.fullmatch(token) if len(token) <= TOKEN_CHARACTERS_MAX else None
    return found["name"] if found else None


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_hash_of(kept: str, token: str) -> bool:
    """Return whether `kept` is the hash of this token. The comparison takes constant time, so its duration reveals
    nothing about the hash."""
    return secrets.compare_digest(kept, hash_of(token))
