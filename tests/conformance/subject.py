"""The implementation under test. The suite learns about the implementation only through sessions."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.writes import PROTOCOL
from tests.conformance.peer import Failed, Peer, Talk, closing, hello_of
from tests.conformance.writes import Author, commit

BUSY_S_MAX = 20.0
LABEL = "conformance"


class Skipped(Exception):
    """A check tests an optional part of the protocol that the subject does not have. The message names the part."""


class NotReady(Exception):
    """The suite cannot begin. The message says what to do."""


@dataclass(frozen=True, slots=True)
class View:
    """What the subject holds: its hello, and the writes that it sends to a peer that holds nothing."""

    hello: wire.Hello
    items: list[wire.Item]

    @property
    def commits(self) -> list[wire.Item]:
        return [item for item in self.items if item.csn]

    @property
    def csn(self) -> int:
        return self.hello.csn

    @property
    def end(self) -> tuple[int, str]:
        """The CSN and the id of the last commit."""
        return self.hello.csn, self.hello.last

    @property
    def held(self) -> dict[str, tuple[int, bytes]]:
        return {item.id: (item.csn, item.body) for item in self.items}


class Subject:
    """The subject at an anti-entropy address. The suite plays the first primary of the subject's cluster, and other
    replicas."""

    def __init__(self, address: str) -> None:
        self.address = address
        probe = wire.Hello(protocol=PROTOCOL, cluster="?", server=f"{LABEL}~probe", label=LABEL, history="[]")
        probe.clock = self.now_us()
        talk = Talk(address, wire.Frame(hello=probe).SerializeToString())
        with closing(talk):
            while talk.hello is None and talk.next() is not None:
                pass
        if talk.hello is None:
            why = f" It refuses: {talk.refusal.message} ({talk.refusal.code})" if talk.refusal else ""
            raise NotReady(
                f"{address} does not answer a Hello with a Hello.{why} Start the replica there, without TLS, then try"
                " again."
            )
        self.hello = talk.hello
        if self.hello.birth or self.hello.csn or self.hello.vector:
            raise NotReady(
                f"{self.hello.label} at {address} holds data of a cluster already. Stop it, delete its data, start it"
                " again and start the suite before anything else calls it."
            )
        if "records/1" not in self.hello.applications:
            # A replica that plays nothing mirrors what its peer can play.
            self.hello.applications["records/1"] = "conformance"
        server = self.fresh(LABEL)
        self.primary = Peer(Author(server), LABEL, server, f'[[0,"{server}",1]]')
        with contextlib.suppress(Failed):  # a replica that takes no writes yet can still say hello
            self.give([self.primary.author.define()])

    @staticmethod
    def now_us() -> int:
        return time.time_ns() // 1000

    @staticmethod
    def fresh(label: str) -> str:
        """Return a server id that was never used."""
        return f"{label}~{secrets.token_hex(4)}"

    def observer(self) -> Peer:
        """Return a peer that holds nothing."""
        server, birth = self.fresh("observer"), self.primary.birth
        return Peer(Author(server), server.partition("~")[0], birth, f'[[0,"{birth}",1]]')

    def primary_at(self, view: View, commits: Sequence[wire.Item] = ()) -> Peer:
        """Return a peer that plays the primary. The peer holds the writes in `view`, and also `commits`."""
        primary = self.primary
        found = Peer(primary.author, primary.label, primary.birth, primary.history)
        return found.holding(view.items).holding(commits)

    def talk(self, peer: Peer, **changes: Any) -> Talk:
        """Begin a session as this peer. Wait until the subject sends a hello or a refusal, or ends the stream. Try
        again while the subject refuses because it is busy."""
        ends_s = time.monotonic() + BUSY_S_MAX
        while True:
            talk = Talk(self.address, hello_of(peer, self.hello, changes).SerializeToString())
            talk.until(lambda: talk.hello or talk.refusal or talk.has_ended, "a Hello")  # noqa: B023
            is_busy = talk.refusal is not None and talk.refusal.code == "busy"
            if not is_busy or time.monotonic() > ends_s:
                return talk
            talk.close()
            time.sleep(0.05)

    def look(self) -> View:
        """Return what the subject holds."""
        with closing(self.talk(self.observer())) as talk:
            refusal = talk.finish()
            if refusal is not None or talk.hello is None:
                raise Failed(f"Expected a session with a peer that holds nothing; {talk.summary()}.")
            return View(talk.hello, talk.items)

    def give(self, items: Sequence[wire.Item]) -> None:
        """Give the subject these tentative writes, in a new session."""
        with closing(self.talk(self.observer())) as talk:
            ack = talk.give(items)
            refusal = talk.finish()
            if ack is None or ack.replan or refusal is not None:
                raise Failed(f"Expected an Ack without replan for {len(items)} writes; {talk.summary()}.")

    def give_commits(self, view: View, commits: Sequence[wire.Item]) -> None:
        """Give the subject its next commits, in a new session with the primary."""
        with closing(self.talk(self.primary_at(view, commits))) as talk:
            ack = talk.give(commits, view.end, self.primary.history)
            refusal = talk.finish()
            if ack is None or ack.replan or refusal is not None:
                raise Failed(f"Expected an Ack without replan for {len(commits)} commits; {talk.summary()}.")

    def commit_one(self) -> View:
        """Let the primary make a write and commit it. Return what the subject then holds."""
        view = self.look()
        note = Author(self.fresh("one")).note()
        self.give_commits(view, [commit(note, view.csn + 1, whole=True)])
        return self.look()

    def epoch(self, view: View) -> int:
        """Return the number of the last epoch."""
        return int(json.loads(view.hello.history)[-1][0])

    def expect_held(self, items: Iterable[wire.Item], but_not: Iterable[wire.Item] = ()) -> View:
        """Raise Failed unless the subject holds each write of `items` once, with the same bytes, and no write of
        `but_not`. Return all that the subject holds."""
        view = self.look()
        ids = [item.id for item in view.items]
        for item in items:
            count = ids.count(item.id)
            if count != 1:
                raise Failed(f"Expected the write {item.id} once in a later session; came: the write {count} times.")
            if view.held[item.id][1] != item.body:
                raise Failed(f"Expected the bytes of {item.id} as they were given; came: {view.held[item.id][1]!r}.")
        for item in but_not:
            if item.id in ids:
                raise Failed(
                    f"Expected that the subject does not store {item.id}; came: this write, in a later session."
                )
        return view

    def expect_unchanged(self, before: View) -> None:
        """Raise Failed unless the subject holds what it held before."""
        after = self.look()
        if after.held != before.held:
            changed = sorted(set(after.held) ^ set(before.held)) or ["the CSN or the bytes of a write"]
            raise Failed(
                f"Expected that the subject holds the same as before; came: a change of {', '.join(changed[:3])}."
            )
