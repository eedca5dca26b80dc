"""The named checks of the suite, in the order in which they run. Each check is a function with the subject as its
argument. The docstring of a check is the rule that the subject must keep. If the subject breaks the rule, the check
raises Failed. The message says what the check expected, and what the subject sent.

Each check makes its writes at new servers, so that a failed check does not spoil the next check.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.writes import PROTOCOL, canonical, is_server
from tests.conformance.peer import Failed, Peer, Talk, closing
from tests.conformance.subject import Skipped, Subject, View
from tests.conformance.writes import CONTENT, HASH, Author, commit, cover

PINGS_S = 4.5  # by default, a gRPC server ends a connection at the third ping, and a client sends one a second
YEAR_US = 365 * 24 * 3600 * 1_000_000
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
Check = Callable[[Subject], None]
CHECKS: list[tuple[str, Check]] = []  # the section of docs/protocol.md, and the check


def section(number: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        CHECKS.append((number, check))
        return check

    return add


# The hello.


@section("4.2")
def hello_is_answered(subject: Subject) -> None:
    """A hello of the same cluster is answered by a hello, and both sides end with Done."""
    with closing(subject.talk(subject.observer())) as talk:
        refusal = talk.finish()
        expect(refusal is None and talk.is_done, "Done after an empty session", talk.summary())
        said = talk.hello
        assert said is not None
        expect(said.protocol == PROTOCOL, f"protocol {PROTOCOL}", f"protocol {said.protocol}")
        right = is_server(said.server) and (":" in said.server or said.server.startswith(f"{said.label}~"))
        expect(right, "a server id LABEL~NONCE", f"{said.server} of {said.label}")
        expect(
            said.birth == subject.primary.birth, f"the birth {subject.primary.birth}, once it has met it", said.birth
        )
        expect(said.history == subject.primary.history, subject.primary.history, said.history)


@section("2.1")
def pings_are_allowed(subject: Subject) -> None:
    """A session without frames goes on while HTTP/2 pings arrive."""
    with closing(subject.talk(subject.observer())) as talk:
        ends_s = time.monotonic() + PINGS_S
        while (left_s := ends_s - time.monotonic()) > 0 and not talk.has_ended:
            talk.next(left_s)
        expect(not talk.has_ended, f"a session that is still open after {PINGS_S:.0f} s", talk.summary())
        expect(talk.finish() is None, "Done", talk.summary())


def _refused_hello(subject: Subject, code: str, **changes: Any) -> None:
    before = subject.look()
    with closing(subject.talk(subject.observer(), **changes)) as talk:
        refusal = talk.finish()
        expect(refusal is not None and refusal.code == code, f"a refusal `{code}`", talk.summary())
        assert refusal is not None
        expect(bool(refusal.message), "a message for people", "an empty one")
    subject.expect_unchanged(before)


@section("4.3")
def other_protocol_is_refused(subject: Subject) -> None:
    """Another version of the protocol is refused with `other_protocol`."""
    _refused_hello(subject, "other_protocol", protocol=PROTOCOL + 1)
    _refused_hello(subject, "other_protocol", protocol=PROTOCOL - 1)


@section("4.3")
def other_cluster_is_refused(subject: Subject) -> None:
    """A hello of another cluster is refused with `other_cluster`."""
    _refused_hello(subject, "other_cluster", cluster="another-cluster")


@section("4.3")
def own_id_is_refused(subject: Subject) -> None:
    """A peer with the id of the subject is refused with `same_server`."""
    _refused_hello(subject, "same_server", server=subject.hello.server)


@section("4.3")
def missing_application_is_refused(subject: Subject) -> None:
    """A peer that cannot play the log of the subject is refused with `other_applications`."""
    _refused_hello(subject, "other_applications", applications={}, log_applications=[])


@section("4.3")
def wrong_clock_is_refused(subject: Subject) -> None:
    """A peer whose clock is more than a year off is refused with `clock_differs`."""
    for clock in (subject.now_us() + 2 * YEAR_US, subject.now_us() - 2 * YEAR_US):
        _refused_hello(subject, "clock_differs", clock=clock)


@section("4.3")
def other_birth_is_refused(subject: Subject) -> None:
    """A peer whose hello names another birth (first primary) is refused with `other_birth`."""
    birth = "stranger~aaaaaa"
    _refused_hello(subject, "other_birth", birth=birth, history=f'[[0,"{birth}",1]]')


@section("4.2")
def malformed_hello_is_refused(subject: Subject) -> None:
    """After a malformed hello, the subject refuses with `protocol` or ends the stream. Nothing changes."""
    before = subject.look()
    for changes in (
        {"label": "\x1b[2J"},
        {"server": "no id"},
        {"history": "{"},
        {"csn": 3, "last": ""},
        {"vector": {"x:y": 1}},
        {"vector": {"x~y": 2**63}},
        {"csn": 2**60, "last": "0000000000000001@x~y"},
        {"birth": "", "history": '[[0,"x~y",1]]'},
    ):
        with closing(subject.talk(subject.observer(), **changes)) as talk:
            talk.until(lambda: talk.refusal or talk.has_ended, f"a refusal of {changes}")
            code = talk.refusal.code if talk.refusal else "protocol"
            expect(code == "protocol" and not talk.items, f"a refusal `protocol` of {changes}", talk.summary())
    subject.expect_unchanged(before)


@section("5.1")
def first_frame_must_be_hello(subject: Subject) -> None:
    """If the first frame is not Hello, the subject refuses with `protocol` or ends the stream."""
    before = subject.look()
    for frame in (wire.Frame(done=wire.Done()), wire.Frame(batch=wire.Batch(history="[]")), wire.Frame()):
        with closing(Talk(subject.address, frame.SerializeToString())) as talk:
            talk.until(lambda: talk.refusal or talk.has_ended, "a refusal")
            code = talk.refusal.code if talk.refusal else "protocol"
            expect(code == "protocol" and talk.hello is None, "a refusal `protocol` and no Hello", talk.summary())
    subject.expect_unchanged(before)


# Writes.


@section("6.1")
def writes_are_held(subject: Subject) -> None:
    """Writes that the subject has acknowledged come back in a later session, with the same bytes."""
    author = Author(subject.fresh("held"))
    given = [author.note() for _ in range(3)]
    subject.give(given)
    subject.expect_held(given)


@section("6.1")
def unusual_text_is_held(subject: Subject) -> None:
    """A write with non-ASCII text, quotes, control characters and numbers comes back with the same bytes."""
    author = Author(subject.fresh("text"))
    given = [author.note('café "quoted" \\ / 🎈 \u2028', check="\b\t\n\x1f\x7f")]
    subject.give(given)
    subject.expect_held(given)


@section("6.1")
def no_duplicates(subject: Subject) -> None:
    """A write that the subject gets several times is stored once, and acknowledged each time."""
    author = Author(subject.fresh("twice"))
    given = [author.note() for _ in range(2)]
    subject.give([*given, *given[:1]])
    subject.give(given)
    subject.expect_held(given)


@section("6.2")
def held_writes_are_not_sent(subject: Subject) -> None:
    """A peer whose vector and CSN cover everything gets no writes. The peer's own writes do not come back."""
    view = subject.look()
    author = Author(subject.fresh("echo"))
    with closing(subject.talk(subject.observer().holding(view.items))) as talk:
        expect(talk.give([author.note()]) is not None, "an Ack", talk.summary())
        talk.finish()
        expect(not talk.items, "no write", f"{len(talk.items)} writes, the first one {_first(talk.items)}")


@section("6.2")
def only_the_rest_is_sent(subject: Subject) -> None:
    """A peer that holds the first writes of a server gets only the later writes of this server."""
    author = Author(subject.fresh("rest"))
    given = [author.note() for _ in range(4)]
    subject.give(given)
    view = subject.look()
    known = [item for item in view.items if item.id not in {one.id for one in given[2:]}]
    with closing(subject.talk(subject.observer().holding(known))) as talk:
        talk.finish()
        expect(_ids(talk.items) == _ids(given[2:]), f"{_ids(given[2:])}", f"{_ids(talk.items)}")


@section("6.2")
def order_of_writes(subject: Subject) -> None:
    """Commits are sent in CSN order, then tentative writes by stamp. Each batch names the commit before the batch."""
    authors = [Author(subject.fresh(f"order-{letter}")) for letter in "ab"]
    subject.give([author.note() for _ in range(3) for author in authors])
    with closing(subject.talk(subject.observer())) as talk:
        talk.finish()
        csns = [item.csn for item in talk.items if item.csn]
        expect(csns == list(range(1, len(csns) + 1)), "commits 1, 2, 3 …", f"{csns}")
        ids = [item.id for item in talk.items]
        tentative = ids[len(csns) :]
        is_after = all(not item.csn for item in talk.items[len(csns) :])
        expect(is_after and tentative == sorted(tentative), "tentative writes after them, by stamp", f"{tentative}")
        known = 0
        for batch in talk.batches:
            expected = (known, ids[known - 1] if known else "")
            came = (batch.after_csn, batch.after_id)
            expect(len(batch.items) <= 500, "at most 500 writes in a batch", f"{len(batch.items)}")
            expect(came == expected, f"a batch after the commit {expected}", f"{came}")
            known += sum(1 for item in batch.items if item.csn)


@section("6.3")
def gap_is_not_taken(subject: Subject) -> None:
    """A write is not stored if the write named by its `prev` is missing. The Ack asks for a new plan."""
    author = Author(subject.fresh("gap"))
    first, _, third = (author.note() for _ in range(3))
    with closing(subject.talk(subject.observer())) as talk:
        ack = talk.give([first, third])
        expect(ack is not None and ack.replan, "an Ack with replan", talk.summary())
        assert ack is not None
        here = ack.vector.get(author.server, 0)
        expect(here == int(first.id[:16]), f"a vector with {first.id[:16]}, the write before the gap", f"{here}")
        talk.finish()
    subject.expect_held([first], but_not=[third])


@section("6.3")
def new_plan_is_taken(subject: Subject) -> None:
    """After an Ack with replan, batches of the old plan are ignored, and batches of the new plan are taken."""
    author = Author(subject.fresh("replan"))
    one, two, three = (author.note() for _ in range(3))
    with closing(subject.talk(subject.observer())) as talk:
        ack = talk.give([two])
        expect(ack is not None and ack.replan, "an Ack with replan", talk.summary())
        talk.send(batch=wire.Batch(plan=0, items=[three], history="[]"))
        talk.send(batch=wire.Batch(plan=1, items=[one, two], history="[]"))
        talk.until_acked(2)
        last = talk.acked[-1]
        expect((last.plan, last.replan) == (1, False), "an Ack of plan 1, without replan", talk.summary())
        talk.finish()
    subject.expect_held([one, two], but_not=[three])


@section("6.3")
def fork_is_refused(subject: Subject) -> None:
    """If a server makes two writes with the same `prev`, the second is not stored. The session ends with `fork`."""
    server = subject.fresh("fork")
    one, other = Author(server).note(), Author(server).note()
    subject.give([one])
    with closing(subject.talk(subject.observer())) as talk:
        talk.give([other])
        refusal = talk.finish()
        expect(refusal is not None and refusal.code == "fork", "a refusal `fork`", talk.summary())
    subject.expect_held([one], but_not=[other])


@section("6.4")
def forged_stamp_is_refused(subject: Subject) -> None:
    """A write stamped more than a year ahead is refused with `clock_ahead`. Earlier writes of the batch are stored."""
    author = Author(subject.fresh("future"))
    good, forged = author.note(), author.note(ahead_us=2 * YEAR_US)
    with closing(subject.talk(subject.observer())) as talk:
        talk.give([good, forged])
        refusal = talk.finish()
        expect(refusal is not None and refusal.code == "clock_ahead", "a refusal `clock_ahead`", talk.summary())
    subject.expect_held([good], but_not=[forged])


@section("6.4")
def claim_is_not_believed(subject: Subject) -> None:
    """A peer that claims to hold nonexistent writes of the subject is refused with `unproven`. No write is stored."""
    author = Author(subject.fresh("claim"))
    note = author.note()
    peer = subject.observer()
    peer.vector[subject.hello.server] = subject.now_us()
    with closing(subject.talk(peer)) as talk:
        if talk.refusal is None:
            talk.give([note])
        refusal = talk.finish()
        expect(refusal is not None and refusal.code == "unproven", "a refusal `unproven`", talk.summary())
    view = subject.expect_held([], but_not=[note])
    expect(view.hello.server == subject.hello.server, "the same server id as before", view.hello.server)


@section("6.5")
def malformed_write_is_refused(subject: Subject) -> None:
    """A write that no replica could play is refused with `malformed`. No write of the batch is stored."""
    before = subject.look()
    for what, item in _malformed_writes(subject):
        with closing(subject.talk(subject.observer())) as talk:
            talk.give([item])
            refusal = talk.finish()
            expect(refusal is not None and refusal.code == "malformed", f"`malformed` for {what}", talk.summary())
    subject.expect_unchanged(before)


def _malformed_writes(subject: Subject) -> Iterable[tuple[str, wire.Item]]:
    good = Author(subject.fresh("bad")).note()
    write = json.loads(good.body)
    for what, body in {
        "no JSON": b"\xff\xfe",
        "no object": b"[]",
        "a blank": good.body.replace(b",", b", ", 1),
        "members in another order": json.dumps(write, sort_keys=True, separators=(",", ":")).encode(),
        "an escape that is not needed": good.body.replace(b"carried", b"carrie\\u0064"),
        "a missing member": canonical({name: value for name, value in write.items() if name != "op"}),
        "another member": canonical(write | {"x": "y"}),
        "a stamp that is a number": good.body.replace(b'"' + good.id[:16].encode() + b'"', good.id[:16].encode(), 1),
        "a page twice": canonical(write | {"pages": ["a", "a"]}),
        "more than 400 pages": canonical(write | {"pages": [f"p{number}" for number in range(401)]}),
        "an unknown application": canonical(write | {"app": "unknown/1"}),
        "an invalid user": canonical(write | {"user": "a b"}),
        "an invalid membership write": canonical(write | {"app": "members/1", "op": "create"}),
        "more than 65 KiB": canonical(write | {"check": "x" * 70_000}),
    }.items():
        yield what, wire.Item(id=good.id, body=body)
    yield "another id than that of its body", wire.Item(id="0000000000000007@bad~aaaaaa", body=good.body)


@section("5.5")
def malformed_frame_is_refused(subject: Subject) -> None:
    """A malformed frame is refused with `protocol`; nothing changes."""
    before = subject.look()
    author = Author(subject.fresh("frame"))
    note, other = author.note(), author.note()
    vector = {"x:y": 1}
    frames: dict[str, Any] = {
        "a commit after a tentative write": wire.Batch(items=[note, commit(other, 1)], history="[]"),
        "CSNs with a gap": wire.Batch(items=[commit(note, 1), commit(other, 3)], history="[]"),
        "a CSN that does not follow after_csn": wire.Batch(after_csn=4, items=[commit(note, 1)], history="[]"),
        "a CSN beyond 2^53 - 1": wire.Batch(after_csn=2**53 - 1, items=[commit(note, 2**53)], history="[]"),
        "an id that is no write id": wire.Batch(items=[wire.Item(id="1@x", body=note.body)], history="[]"),
        "more than 500 writes": wire.Batch(items=[note] * 501, history="[]"),
        "a history that is no JSON": wire.Batch(items=[note], history="{"),
        "an Ack with an invalid vector": wire.Ack(vector=vector),
        "an Ack of nothing": wire.Ack(),
        "a second Hello": wire.Hello(),
        "an empty frame": None,
    }
    for what, content in frames.items():
        with closing(subject.talk(subject.observer().holding(before.items))) as talk:
            if content is None:
                talk.send_bytes(b"")
            else:
                talk.send(**{type(content).__name__.lower(): content})
            talk.until(lambda: talk.refusal or talk.has_ended, f"a refusal of {what}")
            code = talk.refusal.code if talk.refusal else "the end of the stream"
            expect(code == "protocol", f"`protocol` for {what}", talk.summary())
    subject.expect_unchanged(before)


@section("5.5")
def oversized_frame_is_refused(subject: Subject) -> None:
    """A message above 4 MiB ends the session; later sessions work as before."""
    before = subject.look()
    with closing(subject.talk(subject.observer().holding(before.items))) as talk:
        talk.send_bytes(b"x" * (MESSAGE_BYTES_MAX + 1))
        talk.until(lambda: talk.refusal or talk.has_ended, "the end of the stream")
    subject.expect_unchanged(before)


@section("5.3")
def nothing_after_done(subject: Subject) -> None:
    """A batch after Done is not stored. The subject refuses the batch with `protocol`, or has ended the session."""
    note = Author(subject.fresh("late")).note()
    with closing(subject.talk(subject.observer())) as talk:
        talk.acks = False  # so that the subject cannot end before the batch
        talk.send(done=wire.Done())
        talk.send(batch=wire.Batch(items=[note], history="[]"))
        talk.until(lambda: talk.refusal or talk.has_ended or talk.is_done, "a refusal `protocol`")
        code = talk.refusal.code if talk.refusal else "protocol"
        expect(code == "protocol", "a refusal `protocol`", talk.summary())
    subject.expect_held([], but_not=[note])


# Commits.


@section("7.1")
def commits_are_applied(subject: Subject) -> None:
    """A notification commits a write that the subject holds. A whole commit also brings the body of the write."""
    author = Author(subject.fresh("commit"))
    known, other = author.note(), author.note()
    subject.give([known])
    view = subject.look()
    given = [commit(known, view.csn + 1), commit(other, view.csn + 2, whole=True)]
    subject.give_commits(view, given)
    after = subject.look()
    expect(after.csn == view.csn + 2, f"CSN {view.csn + 2} in the hello", f"{after.csn}")
    expect(after.hello.last == other.id, f"the last commit {other.id}", after.hello.last)
    expect(
        _ids(after.commits)[-2:] == [known.id, other.id], "both commits, in this order", f"{_ids(after.commits)[-2:]}"
    )
    subject.expect_held([known, other])


@section("7.1")
def order_of_commits(subject: Subject) -> None:
    """The subject sends commits in the order of the CSNs, even if the stamps are in another order."""
    first, second = Author(subject.fresh("early")).note(), Author(subject.fresh("later")).note()
    subject.give([first, second])
    view = subject.look()
    subject.give_commits(view, [commit(second, view.csn + 1), commit(first, view.csn + 2)])
    came = _ids(subject.look().commits)[-2:]
    expect(came == [second.id, first.id], f"{[second.id, first.id]}", f"{came}")


@section("7.1")
def commits_are_taken_once(subject: Subject) -> None:
    """A commit that the subject gets again is acknowledged, and changes nothing."""
    view = subject.commit_one()
    start = max(0, view.csn - 2)
    before = (start, view.commits[start - 1].id if start else "")
    with closing(subject.talk(subject.primary_at(view))) as talk:
        ack = talk.give(view.commits[start:], before, subject.primary.history)
        expect(ack is not None and not ack.replan, "an Ack without replan", talk.summary())
        talk.finish()
    subject.expect_unchanged(view)


@section("7.1")
def commits_come_as_notifications(subject: Subject) -> None:
    """A peer that holds a write as tentative gets the commit of this write without the body."""
    author = Author(subject.fresh("notify"))
    note = author.note()
    subject.give([note])
    view = subject.look()
    subject.give_commits(view, [commit(note, view.csn + 1)])
    with closing(subject.talk(subject.observer().holding(view.items))) as talk:
        talk.finish()
        came = [(item.id, item.csn, bool(item.body)) for item in talk.items]
        expect(came == [(note.id, view.csn + 1, False)], "one notification", f"{came}")


@section("7.2")
def unknown_commit_is_not_taken(subject: Subject) -> None:
    """A notification is not taken if the subject lacks the write. The Ack asks for a new plan."""
    note = Author(subject.fresh("unknown")).note()
    view = subject.look()
    with closing(subject.talk(subject.primary_at(view))) as talk:
        ack = talk.give([commit(note, view.csn + 1)], view.end, subject.primary.history)
        expect(ack is not None and ack.replan, "an Ack with replan", talk.summary())
        assert ack is not None
        expect(ack.csn == view.csn, f"CSN {view.csn} in the Ack", f"{ack.csn}")
        talk.finish()
    subject.expect_unchanged(view)


@section("7.2")
def commit_gap_is_not_taken(subject: Subject) -> None:
    """A commit beyond the next CSN is not taken. The Ack asks for a new plan."""
    note = Author(subject.fresh("skip")).note()
    view = subject.look()
    with closing(subject.talk(subject.primary_at(view))) as talk:
        later = [commit(note, view.csn + 3, whole=True)]
        ack = talk.give(later, (view.csn + 2, note.id), subject.primary.history)
        expect(ack is not None and ack.replan, "an Ack with replan", talk.summary())
        talk.finish()
    subject.expect_unchanged(view)


@section("7.2")
def other_log_is_refused(subject: Subject) -> None:
    """A batch with another history, or after another commit, is refused with `diverged`."""
    view = subject.commit_one()
    note = Author(subject.fresh("other")).note()
    next_one = [commit(note, view.csn + 1, whole=True)]
    stranger = '[[0,"stranger~aaaaaa",1]]'
    for after, history in (((view.csn, note.id), subject.primary.history), (view.end, stranger)):
        with closing(subject.talk(subject.primary_at(view))) as talk:
            talk.give(next_one, after, history)
            refusal = talk.finish()
            expect(refusal is not None and refusal.code == "diverged", "a refusal `diverged`", talk.summary())
    subject.expect_unchanged(view)


@section("4.3")
def other_last_commit_is_refused(subject: Subject) -> None:
    """A peer with the CSN of the subject but another last commit is refused with `diverged`."""
    subject.commit_one()
    view = subject.look()
    last = f"{subject.now_us():016d}@other~aaaaaa"
    _refused_hello(subject, "diverged", csn=view.csn, last=last)


# Members.


@section("9.1")
def created_server_may_write(subject: Subject) -> None:
    """A created server's writes are taken only after the creation. The creation adds the server to the vector."""
    creator = Author(subject.fresh("creator"))
    address = "127.0.0.1:9"
    made = creator.member("create", label="new", rest=address, anti_entropy=address, through="creator")
    new = Author(f"{made.id[:16]}:{creator.server}", int(made.id[:16]))
    note = new.note()
    with closing(subject.talk(subject.observer())) as talk:
        ack = talk.give([note])
        expect(ack is not None and ack.replan, "an Ack with replan before the creation", talk.summary())
        talk.close()
    subject.give([made, note])
    view = subject.expect_held([made, note])
    here = view.hello.vector.get(new.server, 0)
    expect(here == new.stamp, f"{new.stamp} for {new.server} in the vector", f"{here}")


@section("9.2")
def retired_server_leaves_the_vector(subject: Subject) -> None:
    """A retired server leaves the vector. If its id is minted (LABEL~NONCE), the id is added to the retired servers."""
    author = Author(subject.fresh("gone"))
    given = [author.note(), author.member("retire", label="gone")]
    subject.give(given)
    hello = subject.expect_held(given).hello
    is_right = author.server not in hello.vector and author.server in hello.retired_servers
    expect(is_right, f"{author.server} only among the retired", "it in the vector, or not among the retired")


# Sessions that break.


@section("5.4")
def session_may_break_anywhere(subject: Subject) -> None:
    """A session may break at any frame. Acknowledged writes stay stored, and a new session brings the rest."""
    for frames in range(1, 8):
        author = Author(subject.fresh(f"break-{frames}"))
        view = subject.look()
        given = [author.note() for _ in range(2)]
        history, last = subject.primary.history, commit(given[0], view.csn + 1)
        batches = [
            wire.Batch(items=given[:1], history=history),
            wire.Batch(items=given[1:], history=history),
            wire.Batch(after_csn=view.csn, after_id=view.hello.last, items=[last], history=history),
        ]
        acknowledged = _broken_after(subject, subject.primary_at(view), batches, frames)
        subject.expect_held(given[: min(acknowledged, 2)])
        subject.give(given)
        after = subject.look()
        if acknowledged == len(batches):
            expect(after.csn == view.csn + 1, f"CSN {view.csn + 1}, which was acknowledged", f"{after.csn}")
        if after.csn == view.csn:
            subject.give_commits(after, [last])
        subject.expect_held(given)


def _broken_after(subject: Subject, peer: Peer, batches: Sequence[wire.Batch], frames: int) -> int:
    """Break off a session after this number of frames. The hellos count as frame 1. The first batch is frame 2, the Ack
    of this batch is frame 3, and so on. Return how many batches were acknowledged."""
    with closing(subject.talk(peer)) as talk:
        for number, batch in enumerate(batches, 1):
            if 2 * number <= frames:
                talk.send(batch=batch)
            if 2 * number + 1 <= frames:
                talk.until_acked(number)
        return len(talk.acked)


@section("6.6")
def unacknowledged_writes_are_sent_again(subject: Subject) -> None:
    """Without an Ack for a batch, the subject does not send Done. The next session brings the same writes again."""
    given = [Author(subject.fresh("again")).note()]
    subject.give(given)
    with closing(subject.talk(subject.observer())) as talk:
        talk.acks = False
        talk.send(done=wire.Done())
        talk.until(lambda: talk.batches, "a batch")
        talk.drain()
        expect(not talk.is_done, "no Done before the Ack", talk.summary())
    subject.expect_held(given)


@section("6.6")
def subject_makes_a_new_plan(subject: Subject) -> None:
    """After an Ack with replan, the next plan of the subject has all writes that the Ack does not cover."""
    subject.give([Author(subject.fresh("plan")).note()])
    with closing(subject.talk(subject.observer())) as talk:
        talk.acks = False
        talk.until(lambda: talk.batches, "a batch")
        talk.send(ack=wire.Ack(plan=0, replan=True))
        talk.acks = True
        talk.until(lambda: any(batch.plan == 1 for batch in talk.batches), "a batch of plan 1")
        talk.finish()
        again = [item.id for batch in talk.batches if batch.plan == 1 for item in batch.items]
        expect(again == _ids(subject.look().items), "everything again in plan 1", f"{len(again)} writes")


# Standing sessions.


def _standing(subject: Subject) -> Talk:
    view = subject.look()
    talk = subject.talk(subject.primary_at(view), standing=True)
    if talk.hello is None or not talk.hello.standing:
        talk.close()
        raise Skipped("the hello of the replica does not offer a session that stays open")
    return talk


@section("5.6")
def standing_session_passes_on(subject: Subject) -> None:
    """In a standing session, the subject sends the writes and commits that another session brings."""
    note = Author(subject.fresh("stands")).note()
    with closing(_standing(subject)) as talk:
        subject.give([note])
        talk.until(lambda: note.id in _ids(talk.items), "the write that another session has brought")
        expect(not talk.is_done, "no Done", talk.summary())
        talk.finish()
        expect(talk.is_done, "Done as the answer to Done", talk.summary())


@section("2.1")
def new_call_replaces_a_session(subject: Subject) -> None:
    """A peer that calls again during its standing session gets a new session."""
    with closing(_standing(subject)), closing(_standing(subject)) as talk:
        refusal = talk.finish()
        expect(refusal is None and talk.is_done, "a second session", talk.summary())


@section("5.7")
def sync_is_answered(subject: Subject) -> None:
    """A Sync is answered only after the peer has acknowledged all writes that the subject held before the Sync."""
    note = Author(subject.fresh("sync")).note()
    with closing(_standing(subject)) as talk:
        talk.acks = False
        subject.give([note])
        talk.until(lambda: note.id in _ids(talk.items), "the write that another session has brought")
        talk.send(sync=wire.Sync(number=7))
        talk.drain()
        expect(not _answers(talk), "no answer before the Ack", talk.summary())
        for batch in talk.batches:
            talk.send(ack=wire.Ack(plan=batch.plan))
        talk.acks = True
        talk.until(lambda: _answers(talk), "Sync 7 as an answer")
        expect(_answers(talk) == [7], "Sync 7 as an answer", f"{_answers(talk)}")
        talk.finish()


@section("5.8")
def holds_is_heeded(subject: Subject) -> None:
    """Writes that a peer names in Holds are not sent to this peer."""
    one, other = Author(subject.fresh("told")).note(), Author(subject.fresh("untold")).note()
    with closing(_standing(subject)) as talk:
        stamp, server = int(one.id[:16]), one.id[17:]
        talk.send(holds=wire.Holds(csn=subject.look().csn, vector={server: stamp}))
        talk.send(sync=wire.Sync(number=1))
        talk.until(lambda: _answers(talk), "an answer to Sync")
        subject.give([one, other])
        talk.until(lambda: other.id in _ids(talk.items), "the write that is not held")
        expect(one.id not in _ids(talk.items), "only the write that is not held", f"{_ids(talk.items)}")
        talk.finish()


# The last checks: an epoch and a full state change the subject for good, and a long log makes all others slow.


@section("7.3")
def early_promotion_is_refused(subject: Subject) -> None:
    """A tentative write that opens an epoch is refused with `early_promotion`."""
    server = subject.fresh("early")
    view = subject.look()
    forged = Author(server).member("primary", to=server, label="early", epoch=subject.epoch(view) + 1)
    with closing(subject.talk(subject.observer())) as talk:
        talk.give([forged])
        refusal = talk.finish()
        expect(refusal is not None and refusal.code == "early_promotion", "a refusal `early_promotion`", talk.summary())
    subject.expect_unchanged(view)


@section("5.6")
def changed_hello_ends_the_session(subject: Subject) -> None:
    """A standing session ends with Done if the subject's hello gets out of date, for example by a new epoch."""
    with closing(_standing(subject)) as talk:
        _open_epoch(subject)
        talk.until(lambda: talk.is_done or talk.refusal, "Done")
        expect(talk.is_done, "Done", talk.summary())


@section("7.3")
def epoch_is_taken(subject: Subject) -> None:
    """A commit that opens an epoch is taken if the peer's history has the epoch. The subject adopts the history."""
    epochs = _open_epoch(subject)
    came = [epoch[:3] for epoch in json.loads(subject.look().hello.history)]
    expect(came == epochs, f"the history {epochs}", f"{came}")


def _open_epoch(subject: Subject) -> list[list[Any]]:
    """Let another server become the primary, by a forced promotion. Return the history."""
    view = subject.look()
    server = subject.fresh("promoted")
    author = Author(server)
    number = subject.epoch(view) + 1
    opening = author.member("primary", to=server, label="promoted", epoch=number)
    epochs = [*json.loads(view.hello.history), [number, server, view.csn + 1]]
    subject.primary.author, subject.primary.label = author, "promoted"
    subject.primary.history = json.dumps(epochs, separators=(",", ":"))
    subject.give_commits(view, [commit(opening, view.csn + 1, whole=True)])
    return epochs


@section("6.2")
def long_log_comes_in_batches(subject: Subject) -> None:
    """More than 500 writes, or more than 4 MiB, are sent in several batches. Each write is sent once."""
    author = Author(subject.fresh("long"))
    given = [author.note(check="x" * 60_000) for _ in range(72)] + [author.note() for _ in range(440)]
    for first, end in pairwise((0, 36, 72, 400, len(given))):
        subject.give(given[first:end])
    with closing(subject.talk(subject.observer())) as talk:
        talk.finish()
        came = [item.id for item in talk.items if item.id.endswith(f"@{author.server}")]
        expect(came == _ids(given), f"{len(given)} writes, in their order", f"{len(came)} writes")
        sizes = [(len(batch.items), batch.ByteSize()) for batch in talk.batches]
        are_small = all(count <= 500 and size < MESSAGE_BYTES_MAX for count, size in sizes)
        expect(are_small, "batches of at most 500 writes and 4 MiB", f"{sizes}")


@section("8")
def full_state_is_taken_whole(subject: Subject) -> None:
    """A full state is installed, and sent to peers that lack commits. A minimal replica may refuse full states."""
    view = subject.look()
    author = subject.primary.author
    missed = [commit(author.note(), view.csn + number, whole=True) for number in (1, 2)]
    peer = subject.primary_at(view, missed)
    pages = json.dumps([["relation:notes", "1", ["owner", HASH, HASH, CONTENT]]]).encode()
    finish = wire.StateFinish(number=1, csn=peer.csn, last=peer.last, clock=author.stamp, birth=peer.birth)
    finish.primary, finish.history = author.server, peer.history
    for item in [*view.commits, *missed]:
        cover(finish.vector, item)
    finish.recent.extend(_ids([*view.commits, *missed]))
    with closing(subject.talk(peer)) as talk:
        lists = [wire.ListPart(name="relations", entries=["notes"])]
        talk.send(state_chunk=wire.StateChunk(first=True, pages=pages, pages_count=1, lists=lists))
        talk.send(state_finish=finish)
        while not talk.refusal and not any(ack.replan for ack in talk.acked):
            frame = talk.next()
            if frame is None:
                raise Failed(f"Expected an Ack with replan at the end of a full state; {talk.summary()}.")
            if frame.WhichOneof("kind") == "question":
                talk.send(answer=_answer_of(frame.question, view, missed))
        if talk.refusal or talk.acked[0].replan:
            talk.close()
            subject.expect_unchanged(view)
            raise Skipped(f"the replica takes no full state (`{talk.refusal.code if talk.refusal else 'replan'}`)")
        expect(talk.acked[-1].csn == peer.csn, f"CSN {peer.csn} in the Ack", f"{talk.acked[-1].csn}")
        talk.finish()
    with closing(subject.talk(subject.observer())) as talk:
        talk.until(lambda: talk.refusal or talk.finishes, "a full state")
        expect(bool(talk.finishes) and talk.finishes[-1].csn == peer.csn, "that full state", talk.summary())
        came = [page for chunk in talk.chunks for page in json.loads(chunk.pages)]
        expect(came == json.loads(pages), f"the pages {pages.decode()}", f"{came}")


def _answer_of(question: wire.Question, view: View, missed: Sequence[wire.Item]) -> wire.Answer:
    ids = _ids([*view.commits, *missed])
    held = {*_ids(view.items), *ids}
    commits = [ids[csn - 1] if csn <= len(ids) else "" for csn in question.csns]
    return wire.Answer(commits=commits, lacking=[one for one in question.ids if one not in held])


def expect(is_right: bool, expected: str, came: str) -> None:
    if not is_right:
        raise Failed(f"Expected {expected}; {came if came.startswith('came') else f'came: {came}'}.")


def _ids(items: Iterable[wire.Item]) -> list[str]:
    return [item.id for item in items]


def _first(items: Sequence[wire.Item]) -> str:
    return items[0].id if items else ""


def _answers(talk: Talk) -> list[int]:
    return [frame.sync.number for frame in talk.others if frame.WhichOneof("kind") == "sync" and frame.sync.is_answer]
