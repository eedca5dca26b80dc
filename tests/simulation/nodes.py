"""Simulated servers. Each server has a real store in its own namespace, and faults happen to this store.

After each step that may have changed a node, one round trip reads the node's state and the new part of the node's log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import ConnectionError as Lost
from redis import ResponseError

from apps import APPLICATIONS
from bayou.arrivals import Arrivals
from bayou.healing import Healing
from bayou.payloads import Compared, Installed, StateEnd, Succession
from bayou.state import State, Vector
from bayou.window import PeerMemory
from bayou.write import Write
from storage.full_state import KEEP, Keep
from storage.keys import Namespace
from storage.redis.connect import away_of
from storage.script_runner import text_map
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.simulation.redis_client import Script, Wire

CLUSTER = "simulated"
BEGIN_US = 1_796_112_000_000_000  # 2026-12-01 08:00 UTC, when a run begins
RULES = rules_by_tag(APPLICATIONS)
Copy = list[tuple[bytes, bytes]]  # (key, content) of a namespace
OnInstall = Callable[["FaultyStore", State, Installed | None], object]
READING = {
    *("read_state", "read_pages", "select", "read_log", "compare", "uncommon"),
    *("read_state_part", "read_size", "read_commits", "read_ids"),
}
RECEIVING = {"receive", "install"}
REFUSING = {  # commands that make the real Redis refuse writing scripts, and accept them again
    "oom": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "misconf": (("CONFIG", "SET", "save", "3600 1"), ("CONFIG", "SET", "save", "")),
}
FAULTS = ("lost", "twice", "before", *REFUSING)

_LOOK = """
-- KEYS[1] prefix, ARGV[1] CSN and ARGV[2] write id up to which the committed log is known
local p = KEYS[1]
local meta = redis.call('HGETALL', p .. 'meta')
local from, at = '(' .. ARGV[1], redis.call('ZRANGEBYSCORE', p .. 'committed', ARGV[1], ARGV[1])[1]
local whole = at ~= ARGV[2]
if whole then from = '-inf' end
local new = redis.call('ZRANGEBYSCORE', p .. 'committed', from, '+inf', 'WITHSCORES')
local outcomes = {}
for i = 1, #new, 2 do outcomes[#outcomes + 1] = redis.call('HGET', p .. 'outcomes', new[i]) or '?' end
return {meta, redis.call('HGETALL', p .. 'V'), redis.call('HGETALL', p .. 'C'), redis.call('HGETALL', p .. 'O'),
  redis.call('GET', p .. 'clock'), redis.call('SMEMBERS', p .. 'retired'), whole and 1 or 0, new, outcomes,
  redis.call('ZRANGE', p .. 'tentative', 0, -1), redis.call('LRANGE', p .. 'set_aside', 0, -1)}
"""

_EVERYTHING = """
-- KEYS[1] prefix; returns key, type, content, of all keys but the events
local reply = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key).ok
  local content
  if kind == 'string' then content = redis.call('GET', key)
  elseif kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'set' then content = redis.call('SMEMBERS', key)
  elseif kind == 'list' then content = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if content then
    reply[#reply + 1] = key
    reply[#reply + 1] = kind
    reply[#reply + 1] = content
  end
end
return reply
"""


@dataclass(slots=True)
class Look:
    """A node's state at one moment.

    `committed` has (CSN, write id, outcome) for each commit since the previous look, or for the whole log if `whole` is
    true. `tentative` and `set_aside` have write ids.
    """

    state: State
    whole: bool
    committed: list[tuple[int, str, str]]
    tentative: list[str]
    set_aside: list[str]


class FaultyStore(Store):
    """The real store with faults.

    `fault` names what happens to the next script that writes. The script's reply is lost, the script runs twice, or the
    script never arrives. Or Redis has no room in memory (`oom`) or on disk (`misconf`). `counts` counts the faults that
    happened.
    """

    def __init__(
        self,
        wire: Any,
        label: str,
        commit_mode: str,
        installed: OnInstall,
        counts: Counter[str] | None = None,
        keep: Keep = KEEP,
    ) -> None:
        super().__init__(wire, label, APPLICATIONS, commit_mode=commit_mode, keep=keep)
        self._wire = wire
        self._installed = installed
        self._counts = Counter() if counts is None else counts
        self.fault = ""
        self.scripts_run = 0
        self.receipts = 0  # received batches and full states
        self._known: State | None = None
        self._look_script = Script(wire, _LOOK)
        self._seen: tuple[int, str] = (-1, "")
        self._pending: list[Look] = []
        self.dirty = True

    def active_tag(self, name: str) -> str:
        """Return the tag (NAME/VERSION) of the newest version of an application. In the simulation, this version is
        always active, and every node can play it."""
        return f"{name}/{max(self._versions[name])}"

    def run(self, verb: str, *arguments: Any) -> Any:
        self.scripts_run += 1
        self.receipts += verb in RECEIVING
        if verb in READING:
            return super().run(verb, *arguments)
        self.dirty = True
        self._known = None
        fault, self.fault = self.fault, ""
        if fault:
            self._counts[f"reply {fault}"] += 1
        if fault == "before":
            raise Lost("the command never arrived")
        if fault in REFUSING:
            return self._run_refused(fault, verb, *arguments)
        reply = super().run(verb, *arguments)
        if fault == "twice":
            reply = super().run(verb, *arguments)
        if fault == "lost":
            raise Lost("the reply was lost")
        return reply

    def _run_refused(self, fault: str, verb: str, *arguments: Any) -> Any:
        """Run a script while Redis refuses scripts that write.

        If Redis refuses the script, check that no key has changed, and raise Lost. A script that only frees memory runs
        as usual.
        """
        before = everything(self._wire, self._label)
        refuse, take = REFUSING[fault]
        self._wire.call(*refuse)
        try:
            return super().run(verb, *arguments)
        except ResponseError as error:
            if away_of(error) is None or everything(self._wire, self._label) != before:
                raise AssertionError(f"{verb} failed with {fault}, but it changed keys: {error}") from error
            raise Lost(str(error).partition(" ")[0]) from None
        finally:
            self._wire.call(*take)

    def state(self) -> State:
        if self._known is None:
            self._pending.append(self._look())
        assert self._known is not None
        return self._known

    def install(
        self,
        staging: str,
        source: str,
        end: StateEnd,
        compared: Compared,
        successions: Sequence[Succession] = (),
        omitted: Vector | None = None,
    ) -> Installed:
        """Install a full state. Then give the checker the result, and the node's state before the installation."""
        before = self.state()
        try:
            installed = super().install(staging, source, end, compared, successions, omitted)
        except Lost:
            self._installed(self, before, None)
            raise
        self._installed(self, before, installed)
        return installed

    def looks(self) -> list[Look]:
        """Return the new Looks at this store, the oldest first. A Look is new if it was taken after the last call. The
        last Look has the current state."""
        self.state()
        pending, self._pending = self._pending, []
        self.dirty = False
        return pending

    @property
    def label(self) -> str:
        return self._label

    def forget(self) -> None:
        """Drop the cached state, because the namespace was replaced."""
        self._known, self._seen, self.dirty = None, (-1, ""), True

    def _look(self) -> Look:
        reply = self._look_script([self._keys.prefix], self._seen)
        meta_list, vector, committed, omitted, clock, retired, whole, new, outcomes, tentative, set_aside = reply
        meta = text_map(meta_list)
        csn = int(meta["csn"])
        self._known = State(
            server=meta["id"],
            label=meta["label"],
            cluster=meta["cluster"],
            birth=meta["birth"],
            met=bool(meta["met"]),
            primary=meta["primary"],
            history=meta["history"],
            csn=csn,
            osn=int(meta["osn"]),
            last=meta["last"],
            vector=_vector(vector),
            committed_vector=_vector(committed),
            omitted_vector=_vector(omitted),
            retired_servers=tuple(sorted(server.decode() for server in retired)),
            retired=bool(meta["retired"]),
            retires=bool(meta.get("retires")),
            tentative=len(tentative),
            set_aside=len(set_aside),
            clock=int(clock),
        )
        self._seen = (csn, meta["last"])
        gained = [(int(new[2 * i + 1]), new[2 * i].decode(), outcome.decode()) for i, outcome in enumerate(outcomes)]
        waiting = [Write.decode(body).id for body in set_aside]
        return Look(self._known, bool(whole), gained, [identifier.decode() for identifier in tentative], waiting)


@dataclass(slots=True, eq=False)
class Node:
    """A server and its storage.

    `joined` is true once the server has had its first session. `pause` is the number of steps for which the server does
    nothing. `copy` is an old copy of the storage. `has_created` is true if the server has created another server since
    this copy was made.

    `power_cut` describes the next power cut: the copy of the storage that will survive, and the number of the script
    after which the power cut happens. `unsure` is true if the storage has lost its newest writes. Then the server must
    start under a new id.

    A server may go on with an old copy of its storage, under the id in the copy. `forked` is then this id.
    """

    label: str
    store: FaultyStore
    running: bool = True
    joined: bool = True
    offset_us: int = 0
    copy: Copy | None = None
    pause: int = 0
    power_cut: tuple[Copy, int] | None = None
    unsure: bool = False
    healing: Healing = field(default_factory=Healing)
    forked: str = ""
    has_created: bool = False
    arrivals: Arrivals = field(default_factory=lambda: Arrivals(0))
    memory: PeerMemory = field(default_factory=PeerMemory)

    @property
    def runs(self) -> bool:
        return self.running and self.pause == 0

    @property
    def serves(self) -> bool:
        return self.runs and self.joined


def everything(wire: Wire, label: str) -> dict[str, Any]:
    """Return the content of each key of a namespace, without the events. The keys in the result have no prefix."""
    prefix = Namespace(label).prefix
    flat = Script(wire, _EVERYTHING)([], [prefix.replace("[", "\\[") + "*"])
    found: dict[str, Any] = {}
    for i in range(0, len(flat), 3):
        kind, content = flat[i + 1], flat[i + 2]
        if kind == b"hash":
            content = {content[j].decode(): content[j + 1].decode() for j in range(0, len(content), 2)}
        elif kind == b"set":
            content = sorted(content)
        found[flat[i].decode()[len(prefix) :]] = content
    return found


def dump(wire: Wire, label: str) -> Copy:
    """Return a copy of a server's storage."""
    keys = sorted(wire.call("KEYS", Namespace(label).prefix + "*"))
    return [(key, wire.call("DUMP", key)) for key in keys]


def restore(wire: Wire, label: str, copy: Copy) -> None:
    """Replace a server's storage by a copy. An empty copy destroys the storage."""
    keys = wire.call("KEYS", Namespace(label).prefix + "*")
    if keys:
        wire.call("DEL", *keys)
    for key, content in copy:
        wire.call("RESTORE", key, 0, content)


def _vector(flat: Sequence[bytes]) -> dict[str, int]:
    return {server: int(stamp) for server, stamp in text_map(flat).items()}
