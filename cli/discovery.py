"""Asks the known replicas for replicas that have joined the cluster and are not in config.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cli.problems import UNREACHABLE, Problem
from cli.replica_addresses import ReplicaAddress
from cli.rest import Json, Replica

PROBE_TIMEOUT_S = 2.0

Connect = Callable[[ReplicaAddress], Replica]


def probe(connect: Connect, address: ReplicaAddress) -> Json | None:
    """Return the state of the replica at this address. Return None if no replica answers within PROBE_TIMEOUT_S."""
    replica = connect(address)
    try:
        return replica.get("/replica", timeout_s=PROBE_TIMEOUT_S)
    except Problem as problem:
        if problem.status == UNREACHABLE or problem.code == "not_a_replica":
            return None
        raise
    finally:
        replica.close()


def probes(connect: Connect, addresses: Sequence[ReplicaAddress]) -> list[Json | None]:
    """Ask several replicas at the same time. Return the states in the order of the addresses."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda address: probe(connect, address), addresses))


def joined(known: Iterable[ReplicaAddress], states: Iterable[Json | None]) -> list[ReplicaAddress]:
    """Return the cluster members that these replica states list. Leave out the members in `known`."""
    labels = {address.label for address in known}
    members = [member for state in states if state for member in state.get("members", [])]
    found = {str(member["label"]): f"http://{member['rest']}" for member in members}
    return [ReplicaAddress(label, url) for label, url in found.items() if label not in labels]
