"""The keys of a replica's namespace: the one place where a key is named, in Python and in Lua alike.

Every key of the replica `one` starts with `bayou:{one}:`; the braces keep a namespace in one slot of a Redis Cluster.
A name that ends in a colon is a family: what follows is a page, a server id or the name of a list.
"""

from __future__ import annotations

KEYS = {
    # name: (key, Redis type, what it holds)
    "meta": (
        "meta",
        "hash",
        "id, label, cluster, birth, primary, epoch, csn, osn, last (id of the last committed write)",
    ),
    "clock": ("clock", "string", "the last stamp seen, 16 digits; never falls"),
    "vector": ("V", "hash", "server id -> stamp: what this replica holds"),
    "committed_vector": ("C", "hash", "server id -> stamp: what is committed here"),
    "omitted_vector": ("O", "hash", "server id -> stamp: what was dropped from the log"),
    "writes": ("writes", "hash", "write id -> the write's canonical bytes"),
    "outcomes": ("outcomes", "hash", "write id -> STATUS DETAIL of its latest play"),
    "effects": (
        "effects",
        "hash",
        "tentative write id -> JSON [[page number, field, old, new]...], for undo and commit",
    ),
    "committed": ("committed", "zset", "write id by CSN: the committed log"),
    "tentative": ("tentative", "zset", "write id by stamp: the tentative log"),
    "origins": ("origins", "zset", "server id by the newest stamp of it that is tentative here"),
    "origin": ("tentative:", "zset", "per server: its tentative writes, id by stamp"),
    "index": ("index:", "zset", "per page: the tentative writes that declare it, id by stamp"),
    "committed_page": ("c:", "hash", "per page: its committed state"),
    "tentative_page": ("t:", "hash", "per page: its tentative state; valid only while its index is not empty"),
    "list": ("list:", "set", "per list of an application: members, append-only"),
    "cut": ("cut", "set", "labels of the peers whose link is cut here"),
    "events": ("events", "stream", "one entry a transaction, capped, for screens"),
}


class Namespace:
    """The keys of one replica: `keys.meta`, `keys.committed_page + page`, ..."""

    def __init__(self, label: str) -> None:
        self.prefix = f"bayou:{{{label}}}:"

    def __getattr__(self, name: str) -> str:
        try:
            return self.prefix + KEYS[name][0]
        except KeyError:
            raise AttributeError(name) from None


def lua_keys() -> str:
    """Lua that binds `K` to the same table; a script's KEYS[1] is the namespace's prefix."""
    entries = ", ".join(f"{name} = KEYS[1] .. '{key}'" for name, (key, _, _) in KEYS.items())
    return f"local K = {{{entries}}}\n"
