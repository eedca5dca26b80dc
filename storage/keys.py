"""The keys of a replica's namespace. Every key that Python or Lua uses is named here and nowhere else.

Every key of the replica `one` begins with `bayou:{one}:`. The braces keep a namespace in one slot of a Redis Cluster. A
name that ends in a colon stands for many keys: the name of a page, the id of a server or the name of a list follows the
colon.

Each full state begins a new generation of committed pages. The current pages and log do not change while a new state is
staged, because the new state has keys of another generation. In KEYS, `{}` stands for the number of the generation.
"""

from __future__ import annotations

KEYS = {
    # name: (key, Redis type, what it holds)
    "meta": ("meta", "hash", "identity, counters and history: see META"),
    "clock": ("clock", "string", "the last stamp seen, 16 digits; begin.lua says when it may fall"),
    "vector": ("V", "hash", "server id -> stamp: what this replica holds"),
    "committed_vector": ("C", "hash", "server id -> stamp: what is committed here"),
    "omitted_vector": ("O", "hash", "server id -> stamp: what was dropped from the log"),
    "retired": ("retired", "set", "minted server ids (LABEL~NONCE) whose retirement write is held here"),
    "writes": ("writes", "hash", "write id -> the write's canonical bytes"),
    "outcomes": ("outcomes", "hash", "write id -> STATUS DETAIL of its latest play"),
    "effects": (
        "effects",
        "hash",
        "tentative write id -> JSON [page number, field, old, new, page number...], for undo and commit",
    ),
    "committed": ("committed", "zset", "write id by CSN: the committed log"),
    "dropped": (
        "dropped",
        "zset",
        "write id by CSN: the newest commits that are no longer in the log, at most RECENT_MAX",
    ),
    "tentative": ("tentative", "zset", "write id by stamp: the tentative log"),
    "origins": ("origins", "zset", "server id by the newest stamp of it that is tentative here"),
    "origin": ("tentative:", "zset", "per server: its tentative writes, id by stamp"),
    "index": ("index:", "zset", "per page: the tentative writes that declare it, id by stamp"),
    "committed_page": ("c{}:", "hash", "per page: its committed state, and notes of commits in fields #CSN"),
    "changed": ("changed{}", "zset", "page by the CSN of the commit that changed it last"),
    "staged_log": ("log{}", "zset", "write id by CSN: the commits that have come with a full state so far"),
    "staged_writes": ("log-writes{}", "hash", "write id -> the canonical bytes of such a commit"),
    "staged_outcomes": ("log-outcomes{}", "hash", "write id -> STATUS DETAIL of its play"),
    "tentative_page": ("t:", "hash", "per page: its tentative state; valid only while its index is not empty"),
    "log_applications": (
        "apps",
        "set",
        "NAME/VERSION that the log may hold: of each write that it has ever held, and in a new cluster the newest",
    ),
    "primary_writes": (
        "primaries",
        "hash",
        "CSN of a commit that named another primary -> id of the primary before, newline, its canonical bytes",
    ),
    "primary_seals": ("primary_seals", "hash", "CSN of such a commit -> its seal as JSON; only with TLS"),
    "seals": ("seals", "zset", "seals of the committed log as JSON, by the last CSN that they cover; only with TLS"),
    "list": ("list:", "set", "per list of an application: its entries, append-only"),
    "lists": ("lists", "set", "names of the lists"),
    "set_aside": ("set_aside", "list", "writes that were taken out of the log, until this replica makes them again"),
    "hung": ("hung", "hash", "write id, or a hash of a draft -> NAME/VERSION and hash of the rules that ran for ever"),
    "cut": ("cut", "set", "labels of the peers whose link is cut here"),
    "feed_revisions": ("seen:", "hash", "per feed: thing -> number, time of its last change, until, here, text"),
    "events": ("events", "stream", "one entry per transaction; about the newest EVENTS_MAX"),
    "notices": ("notify", "hash", "position: the last event that notifications have seen; server: the id at that time"),
    "notices_followed": ("notify:followed", "hash", "tentative write id -> what its user knows, as JSON"),
    "notices_held": ("notify:held", "zset", "such a write id by the time of a change that its user does not know yet"),
    "notices_waiting": ("notify:waiting", "list", "messages to send as JSON, the oldest first"),
    "notices_sending": ("notify:sending", "list", "the message that is being sent"),
    "notices_sent": ("notify:sent", "zset", "ids of messages by the time when they were sent, the newest SENT_MAX"),
}

FORMAT_VERSION = 3  # of all stored data, writes and pages included; raised by a change that older code would misread.
# begin.lua migrates a namespace of the version before.

META = {
    # field of `meta`: what it holds
    "form": "FORMAT_VERSION of the release that wrote last; the next release migrates it",
    "id": "the server id under which this replica accepts writes",
    "label": "its name for people",
    "cluster": "the cluster's id",
    "birth": "server id of the cluster's first primary; empty while unknown",
    "met": "1 if a peer of the same birth was met",
    "primary": "server id of the primary; empty while unknown",
    "history": "JSON [[number, promoter, first CSN]...]: the epochs, oldest first; one that heals has true after these",
    "csn": "CSN of the last committed write",
    "last": "its write id; empty for CSN 0",
    "osn": "CSN of the last committed write that was dropped from the log",
    "osn_id": "its write id; empty for OSN 0",
    "osn_digest": "OSN:DIGEST, the digest of the log up to OSN; empty if it is not known; see lua/engine/digest.lua",
    "retired": "1 if this server has accepted its own retirement write",
    "retires": "1 if this server shall retire once it has made the writes again that were set aside",
    "pace": "manual if sessions and commits run only on request; auto or none: they run by themselves",
    "generation": "number of the current committed pages; {} in a key stands for it",
    "generations": "the last generation that was begun",
    "staging": "generation of the full state that is being staged; empty if there is none",
}


class Namespace:
    """The keys of one replica as attributes, such as `keys.meta` and `keys.committed_page + page`."""

    def __init__(self, label: str, generation: str = "0") -> None:
        self.prefix = f"bayou:{{{label}}}:"
        self.generation = generation

    def __getattr__(self, name: str) -> str:
        try:
            return self.prefix + KEYS[name][0].format(self.generation)
        except KeyError:
            raise AttributeError(name) from None


def lua_keys() -> str:
    """Return Lua code that defines three local variables.

    keys_of     a function that returns the keys of a generation
    generation  the current generation; false if there is no namespace
    K           the keys of the current generation

    The code expects the namespace's prefix in KEYS[1].
    """
    spliced = {name: key.replace("{}", "' .. generation .. '") for name, (key, _, _) in KEYS.items()}
    entries = ", ".join(f"{name} = KEYS[1] .. '{key}'" for name, key in spliced.items())
    return (
        f"local function keys_of(generation) return {{{entries}}} end\n"
        "local generation = redis.call('HGET', KEYS[1] .. 'meta', 'generation')\n"
        "local K = keys_of(generation or '0')\n"
    )
