"""A peer that tells one lie. No lie deposes a primary, adds a commit to the primary's log, or keeps a replica from
accepting writes. The next honest session succeeds. docs/design.md, "Whom a replica trusts", says what is not promised.

The lying peer runs our own code; only its frames are altered before they reach the victim.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from bayou.anti_entropy import Session
from bayou.errors import Conflict
from bayou.export import Head, Importer, export_volumes
from bayou.frames import Ack, Answer, Batch, Done, Frame, Hello, Question, Refuse, StateChunk, StateFinish
from bayou.payloads import StateEnd, StatePages
from bayou.stamps import AHEAD_US_MAX, DAY_US, STAMP_MAX, split_id
from bayou.write import Write
from storage.members import membership_draft
from tests.support.engine_harness import Cluster, Meeting, Replica, clock_of, fed, meet, session_of
from tests.support.toy import RULES, batch, draft, item, write_of

LIAR = "liar~aaaaaa"
Lie = Callable[["Scene"], list[Frame]]


class Scene:
    """Three replicas with the same committed writes: `victim`, the primary; `liar`, which lies; and `honest`."""

    def __init__(self, *, signed: bool = False) -> None:
        self.cluster = Cluster(3, signed=signed)
        self.victim, self.liar, self.honest = self.cluster.replicas
        for replica in self.cluster.replicas:
            replica.note(f"from-{replica.label}", "p")
        self.cluster.heal()

    @property
    def hello(self) -> Hello:
        """The hello that the liar would send if it did not lie."""
        (frame,) = session_of(self.liar, RULES, initiator=True).start()
        assert isinstance(frame, Hello)
        return frame

    @property
    def now_us(self) -> int:
        return self.cluster.clock.now_us

    def tell(self, *frames: Frame, to: Replica | None = None, initiator: bool = False) -> Session:
        """Run a session in which the peer sends these frames and then Done. The receiver is `to`, or the victim if `to`
        is None. Return the session of the receiver."""
        return fed(to or self.victim, [*frames, Done()], initiator=initiator)

    def commit(self, *writes: Write, history: str | None = None) -> Batch:
        """Return a batch that presents these writes as the next commits of the victim's log."""
        state = self.victim.state()
        items = [item(write, state.csn + number) for number, write in enumerate(writes, start=1)]
        selection = batch(*items, after_csn=state.csn, after_id=state.last, history=history or state.history)
        return Batch(0, selection)

    def forged(self, stamp: int | None = None, origin: str = LIAR, prev: int = 0) -> Write:
        return write_of(draft("note", "forged", ["p"]), stamp or self.now_us, prev, origin)

    def end(self, **changed: Any) -> StateEnd:
        """Return the last frame of a full state that has one commit more than the victim's log. `changed` replaces
        fields of the frame."""
        state = self.victim.state()
        end = StateEnd(
            csn=state.csn + 1,
            last=self.forged().id,
            clock=self.now_us,
            birth=state.birth,
            primary=state.primary,
            history=state.history,
            vector={**state.vector, LIAR: self.now_us},
        )
        return replace(end, **changed)

    def state(self, **changed: Any) -> list[Frame]:
        page = json.dumps([["p", str(self.victim.state().csn + 1), ["forged", "1"]]]).encode()
        return [StateChunk(0, 0, True, StatePages(1, page), ()), StateFinish(0, 1, self.end(**changed))]


def copy_of(replica: Replica) -> Callable[[], None]:
    """Copy the storage of a replica. Return a function that puts the copy back."""
    copy = {key: replica.client.dump(key) for key in replica.client.scan_iter(match=replica.prefix + "*", count=10_000)}

    def put_back() -> None:
        replica.forget()
        for key, content in copy.items():
            replica.client.restore(key, 0, content)  # type: ignore[arg-type]

    return put_back


@pytest.fixture
def scene() -> Scene:
    return Scene()


def in_hello(**changed: Any) -> Lie:
    return lambda scene: [replace(scene.hello, **changed)]


def claiming(server: str | None, stamp: int | None = None) -> Lie:
    """Return a lie: the hello claims that the peer holds the writes of `server` up to `stamp`. If `server` is None, the
    victim's id is used. If `stamp` is None, the claim is one more than the stamp in the victim's vector."""

    def lie(scene: Scene) -> list[Frame]:
        state = scene.victim.state()
        about = server or state.server
        return [replace(scene.hello, vector={**state.vector, about: stamp or state.vector[about] + 1})]

    return lie


def after_hello(*lies: Lie) -> Lie:
    return lambda scene: [scene.hello, *itertools.chain.from_iterable(lie(scene) for lie in lies)]


def promotion(
    number: int, *, to: str = LIAR, first_csn: int | None = None, opens: bool = True, in_hello: bool = True
) -> Lie:
    """Return a lie: a batch with one commit, and with a history that has one more epoch than the victim's history. If
    `opens` is true, the commit is the promotion that begins this epoch. Otherwise, the commit is an ordinary write. If
    `in_hello` is true, the hello has the same history."""

    def lie(scene: Scene) -> list[Frame]:
        state = scene.victim.state()
        promoter = state.server if to == "victim" else to
        begin = first_csn or state.csn + 1
        history = json.dumps([*json.loads(state.history), [number, promoter, begin]], separators=(",", ":"))
        opening = membership_draft("primary", "p", "now", {"to": promoter, "epoch": number, "label": "x"})
        write = write_of(opening, scene.now_us, 0, LIAR) if opens else scene.forged()
        hello = replace(scene.hello, history=history, csn=begin) if in_hello else scene.hello
        return [hello, scene.commit(write, history=history)]

    return lie


def tentative_promotion(*, of_victim: bool = False, **args: Any) -> Lie:
    """Return a lie: a tentative write that makes the peer the primary. If `of_victim` is true, the write says that the
    victim hands over."""

    def lie(scene: Scene) -> list[Frame]:
        whose = {"from": scene.victim.state().server} if of_victim else {}
        drafted = membership_draft("primary", "p", "now", {"to": LIAR, "label": "liar", **whose, **args})
        return [scene.hello, Batch(0, batch(item(write_of(drafted, scene.now_us, 0, LIAR))))]

    return lie


LIES: dict[str, Lie] = {
    "claims more of the victim": claiming(None),
    "claims more of the victim than any clock allows": claiming(None, STAMP_MAX),
    "claims more of a server that nobody knows": claiming("ghost~aaaaaa", STAMP_MAX),
    "claims a created server that nobody knows": claiming(f"{STAMP_MAX:016d}:ghost~aaaaaa", STAMP_MAX),
    "says that the victim has retired": lambda scene: [
        replace(scene.hello, retired_servers=(scene.victim.state().server,), vector={})
    ],
    "says that it has retired itself": in_hello(retired=True),
    "claims commits": in_hello(csn=2**50),
    "forgets all commits": in_hello(csn=0, last="", vector={}),
    "another last commit": lambda scene: [replace(scene.hello, last=f"{scene.hello.last[:16]}@{LIAR}")],
    "another birth": in_hello(birth=LIAR, history=json.dumps([[0, LIAR, 1]]), met=False),
    "another birth, of a cluster that has met": in_hello(birth=LIAR, history=json.dumps([[0, LIAR, 1]]), met=True),
    "an epoch of a huge number": lambda scene: [
        replace(scene.hello, history=json.dumps([*json.loads(scene.hello.history), [2**50, LIAR, 1]]))
    ],
    "an epoch that begins after the last commit": lambda scene: [
        replace(scene.hello, history=json.dumps([*json.loads(scene.hello.history), [1, LIAR, 2**50]]))
    ],
    "a clock of 1970": in_hello(clock=0),
    "a clock of 2255": in_hello(clock=STAMP_MAX),
    "a forged commit": after_hello(lambda scene: [scene.commit(scene.forged())]),
    "a commit of the next epoch that does not open it": promotion(1, opens=False),
    "the same without a word in its hello": promotion(1, opens=False, in_hello=False),
    "a forced promotion that its hello did not name": promotion(1, in_hello=False),
    "a forced promotion of the victim": promotion(1, to="victim"),
    "a forced promotion that begins later": promotion(1, first_csn=10_000),
    "a forced promotion of a huge number": promotion(2**50),
    "a tentative hand-over by the victim": tentative_promotion(of_victim=True),
    "a tentative promotion": tentative_promotion(epoch=1),
    "a tentative promotion that counts after the next one": tentative_promotion(epoch=2),
    "a batch after a commit that does not exist": after_hello(
        lambda scene: [Batch(0, replace(scene.commit(scene.forged()).selection, after_id=f"{1:016d}@{LIAR}"))]
    ),
    "a stamp of 2255": after_hello(lambda scene: [Batch(0, batch(item(scene.forged(STAMP_MAX))))]),
    "a stamp at the bound": after_hello(
        lambda scene: [Batch(0, batch(item(scene.forged(scene.now_us + AHEAD_US_MAX))))]
    ),
    "a stamp beyond the bound": after_hello(
        lambda scene: [Batch(0, batch(item(scene.forged(scene.now_us + AHEAD_US_MAX + 1))))]
    ),
    "a full state of the same epoch": after_hello(lambda scene: scene.state()),
    "a full state whose history is written differently": after_hello(
        lambda scene: scene.state(history=json.dumps(json.loads(scene.hello.history), indent=1))
    ),
    "a full state with a clock of 2255": after_hello(lambda scene: scene.state(clock=STAMP_MAX)),
    "a full state with a vector of 2255": after_hello(
        lambda scene: scene.state(vector={scene.victim.state().server: STAMP_MAX})
    ),
    "a full state of another birth": after_hello(
        lambda scene: scene.state(birth=LIAR, history=json.dumps([[0, LIAR, 1]]), primary=LIAR)
    ),
    "a full state of an epoch that its hello did not name": after_hello(
        lambda scene: scene.state(
            history=json.dumps([*json.loads(scene.hello.history), [1, LIAR, scene.victim.state().csn + 1]]),
            primary=LIAR,
        )
    ),
    "an ack of writes that nobody sent": after_hello(
        lambda scene: [Ack(0, replan=True, csn=2**50, vector={scene.victim.state().server: STAMP_MAX})]
    ),
    "a refusal that says that the victim has lost writes": lambda _: [Refuse("tail_lost", "You have lost writes.")],
}

REFUSALS = {  # lie -> the code with which it is refused; the others are not refused, because they do no harm
    "claims more of the victim": "unproven",
    "claims more of the victim than any clock allows": "unproven",
    "another last commit": "diverged",
    "another birth, of a cluster that has met": "other_birth",
    "an epoch of a huge number": "protocol",
    "an epoch that begins after the last commit": "protocol",
    "a clock of 1970": "clock_differs",
    "a clock of 2255": "clock_differs",
    "a forged commit": "foreign_commit",
    "a commit of the next epoch that does not open it": "foreign_commit",
    "the same without a word in its hello": "diverged",
    "a forced promotion that its hello did not name": "diverged",
    "a forced promotion of the victim": "foreign_commit",
    "a forced promotion that begins later": "foreign_commit",
    "a forced promotion of a huge number": "protocol",
    "a tentative promotion": "early_promotion",
    "a tentative promotion that counts after the next one": "early_promotion",
    "a batch after a commit that does not exist": "diverged",
    "a stamp of 2255": "clock_ahead",
    "a stamp beyond the bound": "clock_ahead",
    "a full state of the same epoch": "foreign_commit",
    "a full state whose history is written differently": "diverged",
    "a full state with a clock of 2255": "clock_ahead",
    "a full state with a vector of 2255": "clock_ahead",
    "a full state of another birth": "diverged",
    "a full state of an epoch that its hello did not name": "diverged",
    "an ack of writes that nobody sent": "protocol",
    "a refusal that says that the victim has lost writes": "tail_lost",
}


NOT_SIGNED = {  # the same with TLS, where the codes differ
    "a forged commit": "commit_not_signed",
    "a commit of the next epoch that does not open it": "commit_not_signed",
    "the same without a word in its hello": "commit_not_signed",
    "a forced promotion that its hello did not name": "commit_not_signed",
    "a forced promotion of the victim": "commit_not_signed",
    "a forced promotion that begins later": "commit_not_signed",
    "a batch after a commit that does not exist": "commit_not_signed",
    "a full state of the same epoch": "state_not_signed",
}


@pytest.mark.parametrize("initiator", [False, True], ids=["called", "calling"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
@pytest.mark.parametrize("name", list(LIES))
def test_no_lie_deposes_the_primary_moves_its_commits_or_stops_acceptance(
    name: str, signed: bool, initiator: bool
) -> None:
    scene = Scene(signed=signed)
    before = scene.victim.state()
    session = scene.tell(*LIES[name](scene), initiator=initiator)
    refusals = REFUSALS | (NOT_SIGNED if signed else {})
    assert (session.report.code, session.report.lost) == (refusals.get(name), None)
    after = scene.victim.state()
    assert (after.server, after.primary, after.history) == (before.server, before.primary, before.history)
    took = after.csn - before.csn  # the victim, which is the primary, commits each write that it takes
    assert took == (1 if name in {"a stamp at the bound", "a tentative hand-over by the victim"} else 0)
    assert after.clock <= scene.now_us + AHEAD_US_MAX
    assert scene.victim.note("on", "p").committed
    for replica in (scene.honest, scene.liar):
        assert replica.put(draft("note", "on", ["p"]), by_us=DAY_US).id
    scene.cluster.heal()
    assert len({replica.state().csn for replica in scene.cluster}) == 1
    assert all(replica.state().tentative == 0 for replica in scene.cluster)


def test_a_peer_that_claims_writes_and_sends_none_is_named_as_faulty(scene: Scene) -> None:
    """The peer also has a new write for the victim. In this session, the victim does not take this write."""
    scene.liar.note("new", "p")
    before = scene.victim.state()
    meeting = Meeting(scene.victim, scene.liar)
    hello = meeting.wires[0].popleft()
    assert isinstance(hello, Hello)
    meeting.wires[0].append(replace(hello, vector={**hello.vector, before.server: STAMP_MAX}))
    meeting.run()
    error = meeting.ends[0].report.error
    assert error is not None
    assert error.code == "unproven"
    assert (
        f"{scene.liar.label} claims to hold writes of {scene.victim.label} that {scene.victim.label}" in error.message
    )
    assert f"{scene.liar.label} is faulty" in error.message
    assert scene.victim.state() == before
    meet(scene.liar, scene.victim)
    assert scene.victim.state().csn == before.csn + 1


@pytest.mark.parametrize("is_primary", [True, False])
@pytest.mark.parametrize("writes", [1, 1200])
@pytest.mark.parametrize("initiator", [False, True])
def test_a_lost_write_of_its_own_tells_a_replica_of_the_loss_and_comes_back(
    is_primary: bool, writes: int, initiator: bool
) -> None:
    """The replica has lost `writes` other writes too, and the peer sends them before the lost write. 1,200 writes fill
    more batches than may be in flight."""
    cluster = Cluster(2)
    primary, other = cluster.replicas
    loser, holder = (primary, other) if is_primary else (other, primary)
    loser.note("kept", "p")
    meet(loser, holder)
    put_back = copy_of(loser)
    for number in range(writes):
        holder.accept_only(f"n{number}", "q")
    meet(loser, holder)
    lost = loser.note("lost", "p").id
    meet(loser, holder)
    put_back()
    server = loser.state().server
    meeting = Meeting(loser, holder) if initiator else Meeting(holder, loser)
    ours = meeting.ends[0 if initiator else 1]
    meeting.run()
    assert ours.report.error is not None
    assert (ours.report.error.code, ours.report.lost) == ("tail_lost", server)
    assert loser.state().server == server
    loser.begin(server="new~aaaaaa", cluster="test", first_primary=False)
    meet(loser, holder)
    assert lost in {entry.write.id for entry in loser.log(None, 10_000) or ()}


def test_another_write_in_the_place_of_its_own_write_tells_a_replica_of_a_loss(scene: Scene) -> None:
    """After a loss, the replica has made another write in the place of the lost write."""
    state = scene.victim.state()
    newest = state.vector[state.server]
    fork = scene.forged(newest + 5, state.server, newest - 1)
    assert scene.tell(scene.hello, Batch(0, batch(item(fork)))).report.lost == state.server
    gap = scene.forged(newest + 5, state.server, newest + 1)
    assert scene.tell(scene.hello, Batch(0, batch(item(gap)))).report.lost is None


def test_writes_before_one_with_a_stamp_beyond_the_bound_are_taken(scene: Scene) -> None:
    bound = scene.now_us + AHEAD_US_MAX
    good, far = scene.forged(), scene.forged(bound + 1, prev=scene.now_us)
    session = scene.tell(scene.hello, Batch(0, batch(item(good), item(far))))
    error = session.report.error
    assert error is not None
    assert error.code == "clock_ahead"
    assert f"The stamp of the write {far.id} of {LIAR} is 2027-12-01 08:00 UTC." in error.message
    assert f"The clock of {scene.victim.label} says 2026-12-01 08:00 UTC." in error.message
    assert scene.victim.state().vector[LIAR] == good.stamp


def test_a_write_that_is_held_is_committed_even_if_its_stamp_is_beyond_the_bound(scene: Scene) -> None:
    """Both replicas took the write while the clocks were wrong. After the clocks are corrected, a notification commits
    the write. A notification brings no new stamp, because it has no body."""
    two, clock = scene.honest, scene.cluster.clock
    clock.tick(3 * AHEAD_US_MAX)
    written = two.note("early", "p").id
    assert written is not None
    meet(two, scene.victim)
    selection = scene.victim.items(scene.liar.state().csn)
    clock.tick(-3 * AHEAD_US_MAX)
    bare = replace(selection, items=tuple(replace(one, body=b"") for one in selection.items))
    session = scene.tell(scene.hello, Batch(0, bare), to=two)
    assert session.report.error is None
    assert two.state().csn == scene.victim.state().csn


def take_all(importer: Importer, frames: Iterable[Any]) -> None:
    for frame in frames:
        importer.take(frame)


def test_a_file_is_checked_like_the_frames_of_a_session(scene: Scene) -> None:
    clock = scene.cluster.clock
    clock.tick(AHEAD_US_MAX + 5_000_000)
    far = scene.liar.note("far", "p").id
    frames = list(export_volumes(scene.liar, RULES, 0, {}, 1 << 20))
    clock.tick(-AHEAD_US_MAX - 5_000_000)
    importer = Importer(scene.victim, RULES, clock_of(scene.victim))
    with pytest.raises(Conflict, match=f"The stamp of the write {far} of") as conflict:
        take_all(importer, frames)
    assert conflict.value.code == "clock_ahead"
    csn = scene.victim.state().csn
    for forged, code in (
        ([scene.commit(scene.forged())], "foreign_commit"),
        (scene.state(), "foreign_commit"),
        (scene.state(clock=STAMP_MAX), "clock_ahead"),
    ):
        importer = Importer(scene.victim, RULES, clock_of(scene.victim))
        with pytest.raises(Conflict) as conflict:
            take_all(importer, [Head(scene.hello, 0, {}, full_state=True), *forged])
        assert conflict.value.code == code
    assert scene.victim.state().csn == csn


def test_a_clock_that_was_reset_is_named_and_nothing_is_accepted_until_it_is_right() -> None:
    clock = Cluster(1).clock
    replica = Cluster(1).replicas[0]
    replica.note("a", "p")
    newest = replica.state().clock
    for attempt in (
        lambda now_us: replica.accept(draft("note", "b", ["p"]), now_us),
        lambda now_us: replica.force("new~aaaaaa", now_us),
    ):
        with pytest.raises(
            Conflict, match=r"says 1970-01-01 00:02 UTC. The newest stamp in the log of [^ ]+ is 2026-12-01"
        ) as conflict:
            attempt(120_000_000)
        assert conflict.value.code == "clock_behind"
        assert (
            "If the clock is wrong, correct the clock. If the clock is right, the stamp is wrong: start"
            in conflict.value.message
        )
    assert replica.state().clock == newest
    assert replica.accept(draft("note", "b", ["p"]), clock.now_us - AHEAD_US_MAX + 10_000_000).id
    # The old stamps come from a clock that was a year ahead. The operator sets the stamps back.
    replica.begin(server="new~aaaaaa", cluster="test", first_primary=False, clock_us=120_000_000)
    accepted = replica.accept(draft("note", "c", ["p"]), 180_000_000).id
    assert accepted is not None
    assert split_id(accepted) == (180_000_000, "new~aaaaaa")


def test_a_replica_that_no_lie_stops_still_yields_to_a_real_promotion(scene: Scene) -> None:
    """The primary meets the promoted replica twice, and yields both times. Before the second session, the primary loses
    its newest commits."""
    put_back = copy_of(scene.victim)
    scene.honest.note("late", "p")
    meet(scene.honest, scene.victim)
    scene.honest.force("forced~aaaaaa", scene.cluster.clock.tick())
    for lost in (False, True):
        if lost:
            put_back()
        meet(scene.victim, scene.honest)
        state = scene.victim.state()
        assert (state.primary, state.csn) == ("forced~aaaaaa", scene.honest.state().csn)


def test_a_full_state_of_another_birth_is_refused_by_every_replica(scene: Scene) -> None:
    """The hello names the birth of the replica's own cluster. Only the full state names another birth."""
    before = scene.honest.state()
    state = scene.state(birth=LIAR, history=json.dumps([[0, LIAR, 1]]), primary=LIAR)
    session = scene.tell(scene.hello, *state, Answer(("",) * before.csn), Answer(), to=scene.honest)
    assert session.report.code == "diverged"
    assert scene.honest.state() == before
    meet(scene.honest, scene.victim)


def test_questions_are_answered_only_after_a_full_state(scene: Scene) -> None:
    assert scene.tell(scene.hello, Question((1,), ())).report.code == "protocol"


def test_a_full_state_with_more_own_writes_than_are_here_brings_a_new_id(scene: Scene) -> None:
    """A replica that is not the primary has lost a write, and gets it back in a full state. The vector of the state
    shows the loss."""
    loser, primary = scene.honest, scene.victim
    put_back = copy_of(loser)
    server = loser.state().server
    loser.note("lost", "p")
    meet(loser, primary)
    primary.truncate(0)
    put_back()
    meet(loser, primary)
    assert loser.state().server not in {server, primary.state().server}
    assert loser.state().vector == primary.state().vector
