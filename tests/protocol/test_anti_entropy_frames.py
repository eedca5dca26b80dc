"""One side of a session with a fake store. The tests check how many frames are in flight, when this side makes a new
plan or asks for one, and when it refuses the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bayou import sender
from bayou.anti_entropy import PLANS_MAX, PROTOCOL, ProtocolError, Session
from bayou.frames import Ack, Batch, Done, Frame, Hello, Refuse
from bayou.payloads import Item, Received, Selection
from bayou.stamps import AHEAD_US_MAX
from bayou.write import Draft, Write
from tests.support.engine_harness import FIRST_US, Cluster
from tests.support.toy import RULES, draft


def item(number: int) -> Item:
    members = {name: getattr(WRITTEN, name) for name in Draft.__slots__}
    write = Write(**members, stamp=number, prev=number - 1, origin="x~aaaaaa")
    return Item(write.id, None, write.encode())


WRITTEN = draft("note", "r", ["p"])
ITEMS = tuple(map(item, range(1, 40)))


class FakeStore:
    """A store that returns what a test has set, and records the changes that the session makes."""

    def __init__(self, label: str = "one", items: int = 0) -> None:
        real = Cluster(1).replicas[0]
        self.now = replace(real.state(), label=label, server=f"{label}~aaaaaa", met=True)
        self.left = list(ITEMS[:items])
        self.answers: list[Received] = []
        self.asked: list[tuple[int, dict[str, int]]] = []
        self.received: list[Selection] = []

    def state(self) -> Any:
        return self.now

    def adopt(self, *_: Any) -> str:
        return "known"

    def note_log_applications(self, *_: Any) -> None: ...

    def log_digest(self, _: int) -> str:
        return ""

    def select(self, csn: int, vector: Any, *_: Any) -> Selection:
        """Select the next two writes that the peer's vector does not cover."""
        self.asked.append((csn, dict(vector)))
        newest = vector.get("x~aaaaaa", 0)
        rest = [found for found in self.left if int(found.id[:16]) > newest]
        return Selection(csn, "", tuple(rest[:2]))

    def receive(self, selection: Selection, _: str) -> Received:
        self.received.append(selection)
        return self.answers.pop(0) if self.answers else taken(len(selection.items))


def taken(count: int, status: str = "taken", taken: int | None = None) -> Received:
    return Received(status, count if taken is None else taken, count, count, 0, 0, 0)


def opened(store: Any, *, initiator: bool = True) -> tuple[Session, Hello]:
    """Return (session, hello). The session has sent this hello."""
    made = Session(store, RULES, initiator=initiator, clock_us=lambda: FIRST_US)
    (hello,) = made.start()
    assert isinstance(hello, Hello)
    return made, hello


def session(store: Any, *, initiator: bool = True) -> tuple[Session, list[Frame]]:
    """Return (session, frames). The session has received the peer's hello; `frames` is the answer of the session."""
    made, hello = opened(store, initiator=initiator)
    return made, made.receive(replace(hello, server="peer~aaaaaa", label="peer"))


def ack(plan: int = 0, *, replan: bool = False, **vector: int) -> Ack:
    held = {"x~aaaaaa": vector["x"]} if vector else {}
    return Ack(plan, replan=replan, csn=0, vector=held)


def kinds(frames: list[Frame]) -> list[str]:
    return [type(frame).__name__ for frame in frames]


def batch(plan: int = 0, count: int = 1) -> Batch:
    return Batch(plan, Selection(0, "", ITEMS[:count]))


def test_hello_has_the_identity_and_the_vector() -> None:
    store = FakeStore()
    store.now = replace(store.now, csn=7, vector={"x~aaaaaa": 5}, retired_servers=("y~aaaaaa",))
    _, hello = opened(store)
    found = (hello.protocol, hello.cluster, hello.server, hello.label, hello.csn, dict(hello.vector))
    assert found == (PROTOCOL, "test", "one~aaaaaa", "one", 7, {"x~aaaaaa": 5})
    assert (hello.retired_servers, hello.birth, hello.met) == (("y~aaaaaa",), store.now.birth, True)


@pytest.fixture
def four_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no more than four small frames be in flight."""
    monkeypatch.setattr("bayou.sender.SMALL_FRAMES_MAX", 4)
    monkeypatch.setattr("bayou.sender.BATCH_COUNT_MAX", 3)  # more than the two that the fake store selects


@pytest.mark.usefixtures("four_frames")
def test_small_batches_wait_for_each_other() -> None:
    made, frames = session(FakeStore(items=13))
    assert kinds(frames) == ["Batch"] * 4
    sent = [found.id for frame in frames if isinstance(frame, Batch) for found in frame.selection.items]
    assert sent == [found.id for found in ITEMS[:8]]
    assert made.report.sent == 0
    for number in range(3):
        assert kinds(made.receive(ack())) == ["Batch"]
        assert made.report.sent == 2 * (number + 1)
    assert [kinds(made.receive(ack())) for _ in range(4)] == [[], [], [], ["Done"]]
    assert (made.report.sent, made.finished) == (13, False)
    assert made.receive(Done()) == []
    assert made.finished


def test_the_initiator_says_done_first() -> None:
    made, frames = session(FakeStore(), initiator=True)
    assert kinds(frames) == ["Done"]
    made, frames = session(FakeStore(), initiator=False)
    assert frames == []
    assert kinds(made.receive(Done())) == ["Done"]
    assert made.finished


def test_the_responder_sends_new_writes_before_done() -> None:
    store = FakeStore()
    made, frames = session(store, initiator=False)
    assert frames == []
    store.left = list(ITEMS[:1])
    assert kinds(made.receive(Done())) == ["Batch"]
    assert kinds(made.receive(ack())) == ["Done"]
    assert made.finished


def test_a_batch_is_stored_in_as_many_transactions_as_the_store_needs() -> None:
    store = FakeStore()
    made, _ = session(store, initiator=False)
    commits = tuple(replace(found, csn=number) for number, found in enumerate(ITEMS[:3], start=5))
    whole = Selection(4, "0000000000000000@x~aaaaaa", (*commits, ITEMS[3]))
    store.answers = [taken(2, "more", 2), taken(0, "more", 1), taken(1)]
    (answer,) = made.receive(Batch(0, whole))
    assert answer == Ack(0, replan=False, csn=0, vector={})
    assert [(found.after_csn, found.after_id, found.items) for found in store.received] == [
        (4, "0000000000000000@x~aaaaaa", whole.items),
        (6, commits[1].id, whole.items[2:]),
        (7, commits[2].id, whole.items[3:]),
    ]
    assert made.report.received == 3


@pytest.mark.parametrize("status", ["hole", "unknown"])
def test_a_batch_that_does_not_fit_gets_a_new_plan_from_the_receivers_state(status: str) -> None:
    store = FakeStore()
    made, _ = session(store, initiator=False)
    store.answers = [taken(1, status)]
    store.now = replace(store.now, csn=3, vector={"x~aaaaaa": 2})
    assert made.receive(batch()) == [Ack(0, replan=True, csn=3, vector={"x~aaaaaa": 2})]
    before = len(store.received)
    assert made.receive(batch()) == []  # a batch of the old plan, which was in flight
    assert len(store.received) == before
    assert kinds(made.receive(batch(1))) == ["Ack"]


def test_writes_of_the_peer_do_not_go_back_even_if_they_did_not_fit() -> None:
    """The peer's batch did not fit. Meanwhile, another replica has brought the same writes to this side. This side must
    not send these writes to the peer."""
    store = FakeStore()
    made, _ = session(store, initiator=False)
    store.answers = [taken(0, "hole")]
    assert kinds(made.receive(Batch(0, Selection(0, "", ITEMS[:2])))) == ["Ack"]
    assert made.receive(Batch(0, Selection(0, "", ITEMS[2:4]))) == []
    store.left = list(ITEMS[:5])
    (frame,) = made.receive(Done())
    assert isinstance(frame, Batch)
    assert frame.selection.items == ITEMS[4:5]


@pytest.mark.usefixtures("four_frames")
def test_a_new_plan_starts_from_what_the_receiver_holds() -> None:
    store = FakeStore(items=12)
    made, frames = session(store)
    assert kinds(frames) == ["Batch"] * 4
    again = made.receive(ack(replan=True, x=3))
    assert kinds(again) == ["Batch"] * 4
    first = again[0]
    assert isinstance(first, Batch)
    assert (first.plan, first.selection.items[0]) == (1, ITEMS[3])
    assert made.receive(ack(0)) == []  # an answer to the old plan
    assert [kinds(made.receive(ack(1))) for _ in range(5)] == [["Batch"], [], [], [], ["Done"]]


def test_the_number_of_plans_is_bounded() -> None:
    made, _ = session(FakeStore(items=2))
    for plan in range(PLANS_MAX):
        assert kinds(made.receive(ack(plan, replan=True))) == ["Batch"]
    (refusal,) = made.receive(ack(PLANS_MAX, replan=True))
    message = (
        "One replica has asked the other replica more than 20 times in a row to choose again what to send."
        " So the session makes no progress. Try again later."
    )
    assert refusal == made.report.error == Refuse("unsteady", message)
    assert made.finished


def test_plans_with_progress_between_them_are_not_bounded() -> None:
    made, _ = session(FakeStore(items=4), initiator=False)
    for plan in range(2 * PLANS_MAX):
        assert kinds(made.receive(ack(plan, replan=True))) == ["Batch", "Batch"]
        assert made.receive(ack(plan + 1)) == []
    assert made.report.error is None


@pytest.mark.parametrize(
    ("changed", "code", "sentence"),
    [
        ({"protocol": PROTOCOL + 1}, "other_protocol", "Run the same release on both."),
        (
            {"cluster": "elsewhere"},
            "other_cluster",
            "one belongs to the cluster test, and peer belongs to the cluster elsewhere.",
        ),
        ({"server": "one~aaaaaa"}, "same_server", "Both replicas have the id one~aaaaaa. Check the addresses"),
        ({"applications": {"toy/1": "x"}}, "other_applications", "one and peer have different rules for toy/1."),
        (
            {"log_applications": ("toy/2",)},
            "other_applications",
            "The log of peer holds writes of applications that one cannot play: toy/2",
        ),
        (
            {"birth": "two~aaaaaa", "met": True, "history": '[[0,"two~aaaaaa",1]]'},
            "other_birth",
            "one and peer belong to two clusters of the same name",
        ),
        (
            {"clock": FIRST_US + AHEAD_US_MAX + 60_000_000},
            "clock_differs",
            "The clock of one says 2026-12-01 08:00 UTC, and the clock of peer says 2027-12-01 08:01 UTC.",
        ),
        ({"clock": 120_000_000}, "clock_differs", "and the clock of peer says 1970-01-01 00:02 UTC."),
    ],
)
def test_a_peer_that_does_not_match_is_refused_and_nothing_is_stored(
    changed: dict[str, Any], code: str, sentence: str
) -> None:
    store = FakeStore(items=3)
    made, hello = opened(store)
    (refusal,) = made.receive(replace(hello, **{"server": "peer~aaaaaa", "label": "peer", **changed}))
    assert isinstance(refusal, Refuse)
    assert refusal == made.report.error
    assert refusal.code == code
    assert sentence in refusal.message
    assert (made.finished, store.asked, store.received) == (True, [], [])


def test_another_history_ends_the_session() -> None:
    store = FakeStore()
    made, _ = session(store)
    store.answers = [taken(0, "diverged")]
    (refusal,) = made.receive(batch())
    assert isinstance(refusal, Refuse)
    assert (refusal.code, made.finished, made.report.error) == ("diverged", True, refusal)


def test_a_fork_ends_the_session_when_everything_is_sent() -> None:
    """A fork is two writes of one server with the same `prev`. After the fork, this side takes no more writes, but
    still sends all writes that the peer lacks. If this side holds a commit of one of the two writes, the peer gets this
    commit."""
    store = FakeStore(items=1)
    made, _ = session(store, initiator=False)
    store.answers = [taken(0, "fork")]
    assert made.receive(batch()) == [Ack(0, replan=False, csn=0, vector={})]
    taken_before = len(store.received)
    assert made.receive(batch()) == [Ack(0, replan=False, csn=0, vector={})]
    assert len(store.received) == taken_before, "nothing is taken any more"
    assert made.receive(Done()) == []
    (refusal,) = made.receive(Ack(0, replan=False, csn=0, vector={}))
    assert isinstance(refusal, Refuse)
    assert (refusal.code, made.finished, made.report.error) == ("fork", True, refusal)


def test_a_refusal_of_the_peer_ends_the_session() -> None:
    made, _ = session(FakeStore(items=3))
    refusal = Refuse("busy", "Later.")
    assert made.receive(refusal) == []
    assert (made.finished, made.report.error) == (True, refusal)


@pytest.mark.parametrize(
    ("heard", "frame"),
    [
        ([], batch()),
        ([], ack()),
        ([], Done()),
        (["hello"], "hello"),
        (["hello"], ack()),
        (["hello", Done()], batch()),
        (["hello", Done()], "hello"),
        (["hello", Refuse("busy", "Later.")], batch()),
        (["hello", Refuse("busy", "Later.")], Refuse("busy", "Later.")),
    ],
    ids=str,
)
def test_an_unexpected_frame_is_an_error_and_changes_nothing(heard: list[Any], frame: Any) -> None:
    store = FakeStore()
    made, own = opened(store)
    hello = replace(own, server="peer~aaaaaa", label="peer")
    for earlier in heard:
        if not made.finished:
            made.receive(hello if earlier == "hello" else earlier)
    before = (made.finished, replace(made.report), list(store.asked), list(store.received))
    with pytest.raises(ProtocolError, match=r"is not allowed at this point|after the end"):
        made.receive(hello if frame == "hello" else frame)
    assert (made.finished, made.report, store.asked, store.received) == before


def test_no_frame_is_taken_after_both_are_done() -> None:
    store = FakeStore()
    made, _ = session(store)
    made.receive(Done())
    assert made.finished
    for frame in (batch(), ack(), Done(), Refuse("busy", "Later.")):
        with pytest.raises(ProtocolError, match="after the end of the session"):
            made.receive(frame)
    assert store.received == []


def test_the_bounds_of_a_batch_are_those_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[Any] = []
    store = FakeStore()
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 3)

    def select(*given: Any) -> Selection:
        bounds.append(given[-2:])
        return Selection(0, "", ())

    monkeypatch.setattr(store, "select", select)
    session(store)
    assert bounds == [(3, sender.BATCH_BYTES_FIRST)]
    assert sender.BATCH_BYTES_FIRST == 16 * 1024


@pytest.mark.parametrize("body", [b"...", ITEMS[1].body, replace(WRITTEN, app="unheard/1").encode_body().encode()])
def test_a_write_that_cannot_be_played_ends_the_session(body: bytes) -> None:
    store = FakeStore()
    made, _ = session(store)
    (refusal,) = made.receive(Batch(0, Selection(0, "", (replace(ITEMS[0], body=body),))))
    assert isinstance(refusal, Refuse)
    assert (refusal.code, made.finished, store.received) == ("malformed", True, [])
