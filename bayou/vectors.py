"""CompleteV (Petersen 1997, section 4.4): what a vector says about a server without an entry.

storage/lua/engine/vectors.lua has the same rules for transactions. A test compares the two files.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from bayou.stamps import created_at
from bayou.state import Vector


def complete(vector: Vector, retired: Collection[str], server: str) -> float:
    """Return the stamp up to which a vector covers the writes of a server. If the server has an entry, this entry is
    the result.

    A created server has an id `T:X`: the server X created this server with the write of the stamp T. Without an entry,
    there are two cases. If the vector covers the write T of X, the created server has retired, and the result is
    infinity. Otherwise the created server is unknown, and the result is minus infinity.

    For a minted id (LABEL~NONCE) without an entry, the result is infinity if `retired` has the id. Otherwise the result
    is 0.
    """
    if server in vector:
        return vector[server]
    stamp, colon, creator = server.partition(":")
    if colon:
        return math.inf if complete(vector, retired, creator) >= int(stamp) else -math.inf
    return math.inf if server in retired else 0


def own_stamp(vector: Vector, server: str) -> int:
    """Return the stamp of a server's newest write, from the server's own vector. If a created server has not written
    yet, return the stamp of its creation."""
    return vector.get(server) or created_at(server)


def missing(vector: Vector, retired: Collection[str], needs: Vector) -> dict[str, int]:
    """Return the entries of `needs` that the vector does not cover."""
    return {server: stamp for server, stamp in needs.items() if complete(vector, retired, server) < stamp}
