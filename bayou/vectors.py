"""CompleteV (Petersen 1997, section 4.4): what a vector says of a server that it has no entry for.

The same rules stand in storage/lua/engine/vectors.lua, where transactions need them; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from bayou.state import Vector


def complete(vector: Vector, retired: Collection[str], server: str) -> float:
    """The stamp that a vector stands for: plus infinity for a retired server, minus infinity for one never heard of.

    `retired` are the minted ids that are known to have retired; a created id `T:X` needs no such list.
    """
    if server in vector:
        return vector[server]
    stamp, colon, creator = server.partition(":")
    if colon:
        return math.inf if complete(vector, retired, creator) >= int(stamp) else -math.inf
    return math.inf if server in retired else 0


def missing(vector: Vector, retired: Collection[str], needs: Vector) -> dict[str, int]:
    """The entries of `needs` that the vector does not reach."""
    return {server: stamp for server, stamp in needs.items() if complete(vector, retired, server) < stamp}
