"""One session of a minimal replica: sections 4 and 5 of docs/protocol.md. A minimal replica starts no session. It
answers the sessions that peers start.

At most one batch is in flight, so there is no window.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.log import Log, cover, held
from tests.conformance.minimal.writes import ITEMS_MAX, MEMBERSHIP, PROTOCOL, YEAR_US, problem_of, read, split

BATCH_BYTES_MAX = 1024 * 1024


class Refusal(Exception):
    """Ends a session. The arguments are the code and the message."""


class Session:
    """The responder's side of a session. Call `receive` with each frame of the peer, and `wake` after each change of
    the log. Both return the frames to send. `clock_us` is the wall clock when the session begins."""

    def __init__(self, log: Log, clock_us: int) -> None:
        self.log, self.clock_us = log, clock_us
        self.peer: wire.Hello | None = None
        self.stands = self.got_done = self.sent_done = self.has_ended = self.has_declined = False
        self.said = wire.Hello()
        self.plan = self.plan_of_peer = 0
        self.is_in_flight = False
        self.syncs: list[int] = []  # numbers of the peer's Sync frames without an answer
        self.fork: Refusal | None = None  # if set, no batch is taken; raised once all is sent
        # What the peer holds, with the batch that is in flight.
        self.csn, self.vector, self.retired = 0, dict[str, int](), set[str]()

    def receive(self, frame: wire.Frame) -> list[wire.Frame]:
        frames: list[wire.Frame] = []
        try:
            with self.log.lock:
                for answers in (self._take(frame), self._send_on()):
                    frames.extend(answers)  # keeps the frames that come before a refusal
        except Refusal as refusal:
            self.has_ended = True
            code, message = refusal.args
            frames.append(wire.Frame(refuse=wire.Refuse(code=code, message=message)))
        return frames

    def wake(self) -> list[wire.Frame]:
        with self.log.lock:
            return list(self._send_on()) if self.stands and self.fork is None else []

    def hello(self) -> wire.Frame:
        """Return the hello of this side. The hello repeats the applications of the peer, because a minimal replica
        plays no writes and needs no applications of its own."""
        assert self.peer is not None
        log = self.log
        said = wire.Hello(protocol=PROTOCOL, cluster=log.cluster, server=log.server, label=log.label, birth=log.birth)
        said.met, said.history, said.csn, said.last = log.has_met, _json(log.history), len(log.committed), log.last
        said.vector.update(log.vector)
        said.retired_servers.extend(sorted(log.retired))
        said.applications.update(self.peer.applications)
        said.log_applications.extend(sorted(log.applications))
        said.clock, said.standing = self.clock_us, True
        self.said = said
        return wire.Frame(hello=said)

    def is_hello_true(self) -> bool:
        """Return whether the log still has the birth, the history and the applications that the hello of this side
        names."""
        log, said = self.log, self.said
        is_same_log = (said.birth, said.history) == (log.birth, _json(log.history))
        return is_same_log and set(said.log_applications) == log.applications

    def _take(self, frame: wire.Frame) -> Iterator[wire.Frame]:
        kind = frame.WhichOneof("kind")
        if problem := problem_of(frame):
            raise Refusal("protocol", f"The frame is malformed: {problem}. See docs/protocol.md.")
        if self.peer is None and kind == "hello":
            self.peer = frame.hello
            yield self.hello()
            self._judge(frame.hello)
        elif self.peer is not None and kind == "batch" and not self.got_done:
            yield from self._take_batch(frame.batch)
        elif self.peer is not None and kind == "ack" and (self.is_in_flight or frame.ack.plan < self.plan):
            self._take_ack(frame.ack)
        elif self.stands and kind == "holds":
            self.csn = max(self.csn, frame.holds.csn)
            self.vector |= {one: at for one, at in frame.holds.vector.items() if at > self._reached(one)}
            self.retired = set(frame.holds.retired_servers)
        elif self.stands and kind == "sync" and not frame.sync.is_answer:
            self.syncs.append(frame.sync.number)
        elif self.peer is not None and kind == "done" and not self.got_done:
            self.got_done = True
        elif kind == "refuse":
            self.has_ended = True
        elif self.peer is not None and kind in {"state_chunk", "state_finish"} and not self.got_done:
            yield from self._decline_state(frame.state_chunk.plan or frame.state_finish.plan)
        else:
            raise Refusal("protocol", f"A frame {kind} is not allowed at this point. See docs/protocol.md.")

    def _judge(self, hello: wire.Hello) -> None:
        log = self.log
        foreign = set(hello.log_applications) | log.applications
        if hello.protocol != PROTOCOL:
            raise Refusal(
                "other_protocol", f"{log.label} uses protocol version {PROTOCOL}. Run a release with this version."
            )
        if missing := foreign - {MEMBERSHIP, *hello.applications}:
            raise Refusal(
                "other_applications",
                f"{hello.label} cannot play {', '.join(sorted(missing))}. Configure these applications at the peer.",
            )
        if hello.cluster != log.cluster:
            raise Refusal(
                "other_cluster",
                f"{log.label} was started with --cluster {log.cluster}. Start it with the peer's cluster.",
            )
        if hello.server == log.server:
            raise Refusal(
                "same_server", f"Both replicas have the id {log.server}. Check that no replica calls its own address."
            )
        if abs(hello.clock - self.clock_us) > YEAR_US:
            raise Refusal("clock_differs", "The clocks are more than a year apart. Correct the wrong clock.")
        if hello.birth and log.birth and hello.birth != log.birth:
            raise Refusal("other_birth", "The two clusters have different births. Start one of them without its data.")
        self._judge_history(hello)
        if hello.vector.get(log.server, 0) > log.held(log.server):
            raise Refusal(
                "unproven",
                f"{hello.label} claims writes that {log.label} never made. Start {hello.label} without data.",
            )
        log.meet(hello.birth, hello.log_applications)
        self.stands = hello.standing
        self.csn, self.vector, self.retired = hello.csn, dict(hello.vector), set(hello.retired_servers)

    def _judge_history(self, hello: wire.Hello) -> None:
        """Refuse the peer if neither committed log is the beginning of the other log. Two such replicas need a full
        state, but a minimal replica neither takes nor gives full states."""
        ours, theirs = self.log.history, json.loads(hello.history)
        csn, shared = len(self.log.committed), min(len(ours), len(theirs))
        if not shared:
            return
        ends = [csn, hello.csn]  # the last CSN of each side in the epochs that both have
        for side, epochs in enumerate((ours, theirs)):
            ends[side] = min(epochs[shared][2] - 1, ends[side]) if epochs[shared:] else ends[side]
        behind = csn if len(ours) < len(theirs) else hello.csn
        has_other_last = (ours, csn) == (theirs, hello.csn) and hello.last != self.log.last
        if ours[:shared] != theirs[:shared] or has_other_last or (len(ours) != len(theirs) and behind > min(ends)):
            raise Refusal("diverged", "The committed logs differ. Start the minimal replica again without its data.")

    def _take_batch(self, batch: wire.Batch) -> Iterator[wire.Frame]:
        for item in batch.items:
            if item.body or not item.csn:
                self._check_body(item)
        self._note_received(batch)
        if batch.plan < self.plan_of_peer:
            return
        ack = wire.Ack(plan=batch.plan)
        if self.fork is None:
            ahead = self._cut_ahead(batch)
            problem, write_id = self.log.take(batch)
            if problem in {"hole", "unknown"}:
                ack = self._replan(batch.plan)
            elif problem == "fork":
                self.fork = Refusal("fork", f"{write_id} has the `prev` of another write: two servers use one id.")
            elif problem:
                raise Refusal(problem, f"{write_id} does not fit the committed log of {self.log.label}.")
            elif ahead:
                raise Refusal(
                    "clock_ahead", f"The stamp of {ahead} is more than a year ahead. Correct the wrong clock."
                )
        yield wire.Frame(ack=ack)

    def _replan(self, plan: int) -> wire.Ack:
        self.plan_of_peer = plan + 1
        ack = wire.Ack(plan=plan, replan=True, csn=len(self.log.committed), retired_servers=sorted(self.log.retired))
        ack.vector.update(self.log.vector)
        return ack

    def _decline_state(self, plan: int) -> Iterator[wire.Frame]:
        """Answer a full state by asking for the log instead. Refuse the peer if it sends a full state again."""
        if plan < self.plan_of_peer:
            return
        if self.has_declined:
            raise Refusal(
                "no_full_state", "This replica takes no full state. Configure its peers to keep their whole logs."
            )
        self.has_declined = True
        yield wire.Frame(ack=self._replan(plan))

    def _cut_ahead(self, batch: wire.Batch) -> str:
        """Find the first write of a batch whose stamp is too far ahead. Remove this write and the rest of the batch.
        Return the id of the found write, or an empty text if there is no such write."""
        far = (n for n, one in enumerate(batch.items) if one.body and split(one.id)[0] > self.clock_us + YEAR_US)
        place = next(far, None)
        if place is None:
            return ""
        identifier = batch.items[place].id
        del batch.items[place:]
        return identifier

    def _check_body(self, item: wire.Item) -> None:
        assert self.peer is not None
        try:
            write = read(item.body)
        except ValueError as reason:
            raise Refusal("malformed", f"The write {item.id} cannot be played: {reason}".replace("\n", " ")) from None
        if f"{write['stamp']}@{write['origin']}" != item.id or write["app"] not in {
            MEMBERSHIP,
            *self.peer.applications,
        }:
            raise Refusal("malformed", f"{item.id} does not match its bytes, or the peer lacks its application.")

    def _note_received(self, batch: wire.Batch) -> None:
        """Record that the peer holds the writes of a batch, up to the first gap. The batch comes from the peer or goes
        to the peer. Later batches to the peer leave these writes out."""
        for item in batch.items:
            stamp, origin = split(item.id)
            if item.body and stamp > self._reached(origin):
                write = json.loads(item.body)
                if int(write["prev"]) <= self._reached(origin):
                    cover(self.vector, self.retired, write)
            if item.csn == self.csn + 1 and stamp <= self._reached(origin):
                self.csn += 1

    def _take_ack(self, ack: wire.Ack) -> None:
        if ack.plan < self.plan:
            return
        self.is_in_flight = False
        if ack.replan:
            self.plan += 1
            self.csn, self.vector, self.retired = ack.csn, dict(ack.vector), set(ack.retired_servers)

    def _send_on(self) -> Iterator[wire.Frame]:
        self.has_ended = self.has_ended or (self.sent_done and self.got_done)
        if self.peer is None or self.has_ended or self.sent_done or self.is_in_flight:
            return
        batch = wire.Batch(plan=self.plan, after_csn=self.csn, history=_json(self.log.history))
        batch.after_id = self.log.committed[self.csn - 1] if 0 < self.csn <= len(self.log.committed) else ""
        items = self.log.missing(self.csn, self.vector, self.retired)
        size = 0
        for item in items[:ITEMS_MAX]:
            batch.items.append(item)
            size += len(item.body)
            if size > BATCH_BYTES_MAX:
                break
        if batch.items:
            self._note_received(batch)
            self.is_in_flight = True
            yield wire.Frame(batch=batch)
            return
        if self.fork is not None and (self.got_done or self.stands):
            raise self.fork
        for number in self.syncs:
            yield wire.Frame(sync=wire.Sync(number=number, is_answer=True))
        self.syncs = []
        if self.got_done or (self.stands and not self.is_hello_true()):
            self.sent_done, self.has_ended = True, self.got_done
            yield wire.Frame(done=wire.Done())

    def _reached(self, server: str) -> float:
        return held(self.vector, self.retired, server)


def _json(history: list[list[object]]) -> str:
    return json.dumps(history, separators=(",", ":"))
