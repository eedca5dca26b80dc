"""Create and retire many servers, and check that the two founders of the cluster hold no more data afterwards.

    python -m tests.support.churn [SERVERS]        1,000 by default

Most servers are created through the server that was created just before. The creator retires before the created
server. A retiring server sends its retirement to one other server only. Labels are reused.

The program prints how much data the founders hold before and afterwards, and exits with status 1 if the founders hold
more.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, fields, replace

from bayou.anti_entropy import hello_of
from replica.anti_entropy.protobuf_codec import encode
from tests.support.engine_harness import FIRST_US, Cluster, Replica, meet
from tests.support.toy import RULES

SERVERS = 1000
LABELS = 7  # different labels, which are reused
ALIVE = 3  # created servers that have not retired
CHAIN = 10  # a founder creates every tenth server, because an id contains the id of its creator


@dataclass(frozen=True)
class Sizes:
    """How much data a replica holds: vector entries, log entries, Redis keys, and the bytes of its hello frame."""

    v: int
    c: int
    o: int
    retired: int
    members_tentative: int
    members_committed: int
    tentative: int
    keys: int
    hello: int


def churn(servers: int) -> tuple[list[Replica], list[Sizes], list[Sizes]]:
    """Create and retire this number of servers. Return the two founders, and their sizes before and afterwards."""
    founders = list(Cluster(2))
    for number, founder in enumerate(founders):
        founder.note(f"first-{number}", "p")
    _commit_everything(founders)
    before = [_sizes(founder) for founder in founders]
    alive: deque[Replica] = deque()
    for number in range(servers):
        via = founders[number // CHAIN % 2] if number % CHAIN == 0 else alive[-1]
        new = create(via, number)
        meet(new, via)
        new.note(f"note-{number}", "p")
        alive.append(new)
        if len(alive) > ALIVE:
            _retire(alive.popleft(), peer=alive[-1] if number % 2 else founders[number % 2])
        if number % CHAIN == CHAIN - 1:
            # The second founder learns everything from the newest server, and passes it on to the first founder.
            meet(alive[-1], founders[1])
            _commit_everything(founders)
    for server in alive:
        _retire(server, peer=founders[1])
    _commit_everything(founders)
    return founders, before, [_sizes(founder) for founder in founders]


def create(via: Replica, number: int) -> Replica:
    """Create a server through the replica `via`, and return the replica of the new server. The store of the new replica
    is empty until its first session."""
    label = f"s{number % LABELS}-{via.label.split('-')[-1]}"
    request, now_us = f"q{number}", via.clock.tick()
    server = via.create(label=label, rest="h:1", anti_entropy="h:2", request=request, now_us=now_us)
    new = Replica(via.client, label, via.clock)
    new.forget()
    new.begin(server=server, cluster="test", first_primary=False)
    return new


def _retire(server: Replica, peer: Replica) -> None:
    """Retire a server, which sends its retirement to one peer."""
    server.retire(server.clock.tick())
    meet(server, peer)


def _commit_everything(founders: list[Replica]) -> None:
    """Let the two founders meet until all writes are committed, then drop all writes from their logs."""
    one, two = founders
    for _ in range(2):
        meet(two, one)
    for replica in founders:
        replica.truncate(0)


def _sizes(replica: Replica) -> Sizes:
    state, (tentative, committed) = replica.state(), replica.page("members")
    return Sizes(
        v=len(state.vector),
        c=len(state.committed_vector),
        o=len(state.omitted_vector),
        retired=len(state.retired_servers),
        members_tentative=len(tentative),
        members_committed=len(committed),
        tentative=state.tentative,
        keys=len(list(replica.client.scan_iter(match=replica.prefix + "*", count=10_000))),
        hello=encode(replace(hello_of(state, RULES, FIRST_US), last="")).ByteSize(),
    )


def main(arguments: list[str]) -> int:
    """Run the check with the number of servers given, print the sizes, and return the exit status."""
    servers = int(arguments[0]) if arguments else SERVERS
    founders, before, after = churn(servers)
    for founder, then, now in zip(founders, before, after, strict=True):
        print(f"{founder.label} before {servers} servers: {then}")
        print(f"{founder.label} afterwards:          {now}")
    same = all(is_as_small(then, now) for then, now in zip(before, after, strict=True))
    return 0 if same else 1


def is_as_small(then: Sizes, now: Sizes) -> bool:
    """Return True if the sizes `now` are the same as the sizes `then`. Only the hello frame may be up to 20 bytes
    longer, because its numbers get longer."""
    return all(
        getattr(then, name) == getattr(now, name) or (name == "hello" and now.hello <= then.hello + 20)
        for name in (field.name for field in fields(Sizes))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
