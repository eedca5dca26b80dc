"""Servers that come and go, through any replica and through each other, and what they leave behind.

    python -m tests.support.churn [SERVERS]        1,000 unless told otherwise

Two founders; every created server lives for a while, so that most are created through one that retires before they do,
and tells only one other server of its retirement; names are used again and again. Prints what the founders hold before
and afterwards, and ends with status 1 if that differs.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, fields

from bayou.anti_entropy import hello_of
from replica.anti_entropy.protobuf_codec import encode
from tests.support.engine_harness import Cluster, Replica, meet
from tests.support.toy import TAGS

SERVERS = 1000
LABELS = 7  # names, each used again and again
ALIVE = 3  # created servers at a time
CHAIN = 10  # every so many, one is created by a founder: ids of a chain grow


@dataclass(frozen=True)
class Sizes:
    """What a founder holds. `keys` are those of its namespace; `hello` is that frame's bytes on the wire."""

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
    """The two founders, what they held before, and what they hold when all the others have retired."""
    founders = list(Cluster(2))
    for number, founder in enumerate(founders):
        founder.note(f"first-{number}", "p")
    _settle(founders)
    before = [_sizes(founder) for founder in founders]
    alive: deque[Replica] = deque()
    for number in range(servers):
        via = founders[number // CHAIN % 2] if number % CHAIN == 0 else alive[-1]
        new = create(via, number)
        meet(new, via)
        new.note(f"note-{number}", "p")
        alive.append(new)
        if len(alive) > ALIVE:
            _retire(alive.popleft(), tell=alive[-1] if number % 2 else founders[number % 2])
        if number % CHAIN == CHAIN - 1:  # the second hears of the youngest, and the first of all through the second
            meet(alive[-1], founders[1])
            _settle(founders)
    for server in alive:
        _retire(server, tell=founders[1])
    _settle(founders)
    return founders, before, [_sizes(founder) for founder in founders]


def create(via: Replica, number: int) -> Replica:
    """A new server through that replica; its namespace is open, and it has met nobody."""
    label = f"s{number % LABELS}-{via.label.split('-')[-1]}"
    request, now_us = f"q{number}", via.clock.tick()
    server = via.create(label=label, rest="h:1", anti_entropy="h:2", request=request, now_us=now_us)
    new = Replica(via.client, label, via.clock)
    new.forget()
    new.begin(server=server, cluster="test", first_primary=False)
    return new


def _retire(server: Replica, tell: Replica) -> None:
    server.retire(server.clock.tick())
    meet(server, tell)


def _settle(founders: list[Replica]) -> None:
    """All is committed, and no longer in the log."""
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
        hello=encode(hello_of(state, TAGS)).ByteSize(),
    )


def main(arguments: list[str]) -> int:
    servers = int(arguments[0]) if arguments else SERVERS
    founders, before, after = churn(servers)
    for founder, then, now in zip(founders, before, after, strict=True):
        print(f"{founder.label} before {servers} servers: {then}")
        print(f"{founder.label} afterwards:          {now}")
    same = all(is_as_small(then, now) for then, now in zip(before, after, strict=True))
    return 0 if same else 1


def is_as_small(then: Sizes, now: Sizes) -> bool:
    """All counts are the same; in a hello some numbers have more digits by then."""
    return all(
        getattr(then, name) == getattr(now, name) or (name == "hello" and now.hello <= then.hello + 20)
        for name in (field.name for field in fields(Sizes))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
