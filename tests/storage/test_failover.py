"""The storage in a Redis that the operator runs: a Redis Cluster of three real nodes, or a master with Sentinel.

After a failover, the client finds the Redis that has the namespace. The client also finds this Redis after the
namespace has moved.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from apps import APPLICATIONS
from bayou.errors import Away, BadInput
from bayou.payloads import Compared, StatePages
from bayou.write import Draft
from replica.config import ConfigError, parse
from storage.redis.binary import find_binary
from storage.redis.connect import OpenStorage, away_of
from storage.redis.failover import read_url
from storage.store import Store
from tests.support.storage_harness import IDENTITY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

SLOTS = 16384
TIMEOUT_S = 60
PORTS = range(20_000, 32_768)  # below the ports of outgoing connections; the cluster bus is 10,000 higher
PREFIX = "bayou:{one}:"


class Servers:
    """Starts redis-servers on loopback. Each server has a free port and its own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *options: str, count: int = 1, sentinel: str = "") -> list[int]:
        ports = _free_ports(count)
        for port in ports:
            folder = self._folder / str(port)
            folder.mkdir()
            words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
            if sentinel:
                (folder / "sentinel.conf").write_text(f"port {port}\nbind 127.0.0.1\n{sentinel}")
                words = [str(folder / "sentinel.conf"), "--sentinel"]
            self.processes[port] = subprocess.Popen([find_binary().path, *words], stdout=subprocess.DEVNULL)
        for port in ports:
            wait_until(at(port).ping)
        return ports

    def kill(self, port: int) -> None:
        process = self.processes.pop(port)
        process.kill()
        process.wait()

    def stop(self) -> None:
        for port in list(self.processes):
            self.kill(port)


def at(port: int) -> Any:
    """Return a client of the server on this port.

    The client is untyped, because redis-py's annotations mix several kinds of replies.
    """
    return redis.Redis("127.0.0.1", port, protocol=2, decode_responses=True)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    found = Servers(tmp_path)
    yield found
    found.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


def made_cluster(servers: Servers, extra: int = 0) -> tuple[list[int], list[int]]:
    """Make a cluster. Three masters share all slots of the cluster, and `extra` further nodes hold no slot yet."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--appendonly", "yes")
    ports = servers.start(*options, count=3 + extra)
    bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
    for number, port in enumerate(ports[:3]):
        at(port).execute_command("CLUSTER ADDSLOTS", *range(*bounds[number : number + 2]))
        at(port).execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for port in ports[1:]:
        at(ports[0]).execute_command("CLUSTER MEET", "127.0.0.1", port)
    for port in ports:
        wait_until(lambda: "cluster_state:ok" in _info(port) and f"known_nodes:{len(ports)}" in _info(port))  # noqa: B023
    return ports[:3], ports[3:]


def _info(port: int) -> str:
    found = at(port).execute_command("CLUSTER INFO")
    return found if isinstance(found, str) else "\n".join(f"{key}:{value}" for key, value in found.items())


def owner(ports: list[int]) -> int:
    """Return the port of the node that holds the slot of the namespace."""
    slot = key_slot(PREFIX.encode())
    bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
    return next(port for number, port in enumerate(ports) if bounds[number] <= slot < bounds[number + 1])


def served(opened: OpenStorage) -> Store:
    """Begin the namespace of a replica, and return its store."""
    store = Store(opened.client, "one", APPLICATIONS)
    store.begin(server=IDENTITY.id, cluster="building-6", first_primary=True)
    opened.confirm(IDENTITY)
    return store


def put(store: Store, song: str, now_us: int = 1_796_112_000_000_000) -> None:
    draft = Draft(
        app="playlist/1",
        op="put",
        check="request_is_new",
        merge="keep_first",
        args={"song": song, "url": "https://example.org"},
        pages=(f"song:{song}",),
        user="vish",
        request=song,
        accepted_at="2026-12-01T08:00:00+00:00",
    )
    assert store.accept(draft, now_us).logged


def test_all_keys_of_a_namespace_are_in_one_slot_of_a_cluster(
    servers: Servers, open_one: Callable[..., OpenStorage]
) -> None:
    """The keys must share a slot, because a node refuses a script that names a key of another slot."""
    ports, _ = made_cluster(servers)
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
    opened = open_one(url)
    store = served(opened)
    put(store, "a")
    assert store.truncate(0) == 1
    store.list_entries("songs")
    store.feed_revisions("room:6.12", {"vish/a": ("x", 0)}, 0)
    staged = store.stage("", StatePages(), next(store.list_parts()))
    assert staged is not None
    part = store.state_part((0, ""), 100, 1 << 20)
    assert part.end is not None
    assert store.install(staged, "two", part.end, Compared()).status == "stale"
    assert store.select(1, {}, (), 10, 1000) is not None
    assert store.events("0-0", 1, 10, opened.client)
    store.set_link("two", up=False)
    assert store.commit() == 0
    store.adopt(IDENTITY.id)
    assert (store.digest().csn, store.vitals().oldest_tentative_us) == (1, None)
    holding = [port for port in ports if at(port).dbsize()]
    assert holding == [owner(ports)]
    opened.close(clean=True, mark="m")
    again = open_one(url)
    assert again.decide(IDENTITY.id, "m").id == IDENTITY.id


def test_a_failover_of_a_node_is_followed_under_a_new_id(
    servers: Servers, open_one: Callable[..., OpenStorage]
) -> None:
    ports, (spare,) = made_cluster(servers, extra=1)
    master = owner(ports)
    at(spare).execute_command("CLUSTER REPLICATE", at(master).execute_command("CLUSTER MYID"))
    opened, decided = _open_and_decide(
        open_one, f"redis+cluster://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]},127.0.0.1:{ports[2]}"
    )
    store = served(opened)
    put(store, "a")
    wait_until(lambda: at(spare).info("replication").get("master_link_status") == "up")
    assert at(master).wait(1, 5000) == 1
    servers.kill(master)
    wait_until(lambda: decided, TIMEOUT_S)
    assert decided == [None]  # a new id: nothing shows that the last writes were copied
    assert wait_until(lambda: store.list_entries("songs")) == ["a"]
    assert at(spare).info("replication")["role"] == "master"


def test_a_slot_that_moves_is_followed_and_the_errors_meanwhile_count_as_away(
    servers: Servers, open_one: Callable[..., OpenStorage]
) -> None:
    ports, _ = made_cluster(servers)
    opened, decided = _open_and_decide(open_one, f"redis+cluster://127.0.0.1:{ports[0]}")
    store = served(opened)
    slot, target = key_slot(PREFIX.encode()), next(port for port in ports if port != owner(ports))
    away: list[redis.RedisError] = []
    _move_slot(slot, owner(ports), target, ports)

    def back() -> bool:
        try:
            return store.server() == IDENTITY.id and bool(decided)
        except redis.RedisError as error:
            away.append(error)
            return False

    wait_until(back, TIMEOUT_S)
    assert decided == [None]
    assert all(away_of(error) for error in away)


def _move_slot(slot: int, source: int, target: int, ports: list[int]) -> None:
    """Move a slot to another node, with the same commands as `redis-cli --cluster reshard`."""
    names = {port: at(port).execute_command("CLUSTER MYID") for port in ports}
    at(target).execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[source])
    at(source).execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[target])
    keys = at(source).execute_command("CLUSTER GETKEYSINSLOT", slot, 1000)
    at(source).execute_command("MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *keys)
    for port in (target, source, *ports):
        at(port).execute_command("CLUSTER SETSLOT", slot, "NODE", names[target])


def test_a_failover_by_sentinel_is_followed_under_a_new_id(
    servers: Servers, open_one: Callable[..., OpenStorage]
) -> None:
    (first,) = servers.start("--appendonly", "yes")
    (second,) = servers.start("--appendonly", "yes", "--replicaof", "127.0.0.1", str(first))
    wait_until(lambda: at(second).info("replication").get("master_link_status") == "up")
    rules = "down-after-milliseconds rooms 300", "failover-timeout rooms 5000"
    watch = f"sentinel monitor rooms 127.0.0.1 {first} 1\n" + "".join(f"sentinel {rule}\n" for rule in rules)
    (sentinel,) = servers.start(sentinel=watch)
    wait_until(lambda: at(sentinel).sentinel_slaves("rooms"))
    opened, decided = _open_and_decide(open_one, f"redis+sentinel://127.0.0.1:{sentinel}/rooms/0")
    store = served(opened)
    put(store, "a")
    assert at(first).wait(1, 5000) == 1
    servers.kill(first)
    wait_until(lambda: decided, TIMEOUT_S)
    assert decided == [None]
    assert wait_until(lambda: store.list_entries("songs")) == ["a"]
    assert at(second).info("replication")["role"] == "master"


def test_a_process_that_was_a_replica_in_between_counts_as_another_redis(
    servers: Servers, open_one: Callable[..., OpenStorage]
) -> None:
    """The first Redis becomes a replica of the second Redis, and copies the data of the second Redis. Then the first
    Redis becomes a master again. The process and the run id are the same as before, but the last writes may be lost."""
    first, second = servers.start("--appendonly", "yes", count=2)
    url = f"redis://127.0.0.1:{first}/0"
    opened = open_one(url)
    served(opened)
    opened.close(clean=False)
    again = open_one(url)
    assert again.decide(IDENTITY.id, "").id == IDENTITY.id
    again.close(clean=False)
    at(first).replicaof("127.0.0.1", second)
    wait_until(lambda: at(first).info("replication").get("master_link_status") == "up")
    at(first).replicaof("NO", "ONE")
    assert open_one(url).decide(IDENTITY.id, "").id is None


def _open_and_decide(open_one: Callable[..., OpenStorage], url: str) -> tuple[OpenStorage, list[str | None]]:
    """Open the storage. Return the storage and a list of ids.

    The list gets one entry each time the client finds another Redis. The entry is the id that the replica may keep, or
    None if the replica needs a new id.
    """
    decided: list[str | None] = []

    def settle(client: redis.Redis) -> None:
        found = client.hget(f"{PREFIX}meta", "id")
        assert found == IDENTITY.id.encode()
        decided.append(opened.decide(IDENTITY.id, "").id)
        opened.confirm(IDENTITY)

    opened = open_one(url, on_restart=settle)
    return opened, decided


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+cluster://", "HOST:PORT"),
        ("redis+cluster://a:1,b:2/0", "has the form"),
        ("redis+sentinel://a:1", "has the form"),
        ("redis+sentinel://a:1/rooms/x", "has the form"),
        ("redis+sentinel://a:1,:2/rooms", "not HOST:PORT"),
        ("redis+cluster://a:99999", "port"),
    ],
)
def test_an_invalid_url_is_refused_with_the_allowed_forms(
    url: str, said: str, open_one: Callable[..., OpenStorage]
) -> None:
    with pytest.raises(ValueError, match=f"(?i){said}"):
        read_url(url)
    with pytest.raises(BadInput, match="redis"):
        open_one(url)
    text = "cluster: c\nprimary: one\nreplicas:\n  one: {rest: a:1, anti_entropy: a:2}\nredis: " + url
    with pytest.raises(ConfigError, match=r"config.yaml:5: redis"):
        parse(text, Path("config.yaml"))


def test_the_parts_of_a_url_are_read() -> None:
    found = read_url("rediss+sentinel://me:p%40ss@a,b:2/rooms/3")
    assert (found.kind, found.nodes, found.service, found.tls) == ("sentinel", (("a", 26379), ("b", 2)), "rooms", True)
    assert found.options == {"username": "me", "password": "p@ss", "db": 3}


def test_unreachable_nodes_are_away_and_no_password_is_shown(open_one: Callable[..., OpenStorage]) -> None:
    for kind, path in (("cluster", ""), ("sentinel", "/rooms")):
        with pytest.raises(Away) as caught:
            open_one(f"redis+{kind}://me:secret@127.0.0.1:1{path}")
        assert "secret" not in caught.value.message


def _free_ports(count: int) -> list[int]:
    """Find free ports whose cluster bus port (10,000 higher) is free too."""
    held = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as bus, socket.socket() as listener:
            try:
                bus.bind(("127.0.0.1", port + 10_000))
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            held.append(port)
        if len(held) == count:
            return held
    raise OSError("no port is free")
