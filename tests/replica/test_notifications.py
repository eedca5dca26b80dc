"""A replica sends each notification to its users at most once, even after crashes, restarts and copies of its data."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis

from apps import APPLICATIONS
from apps.api.application import News, Notice
from apps.api.service import Service
from bayou.errors import Unknown
from replica import notifications
from replica.clock import microseconds
from replica.events.expand import Transaction
from replica.http.service import ReplicaService
from replica.targets.message import Message
from replica.targets.read import read_target
from storage import notices
from tests.support.noticeboard import CONFIGURED, DATABASE, Clock, Told, meet, told_replicas
from tests.support.receivers import free_port, mail_server, webhook
from tests.support.replica_harness import FakePeers
from tests.support.sides_harness import new_stores
from tests.support.waiting import wait_until
from tests.support.worker_redis import worker_redis

NOTHING = Transaction("0-0", "session", None, 0, 0, ())


@pytest.fixture
def one() -> Told:
    return told_replicas("one")[0]


class Killed(BaseException):
    """The error that `Killer` raises. In the tests, it takes the place of the end of the process."""


class Killer:
    """A target that raises Killed when the replica sends a message to it."""

    name = "killer"

    def send(self, _: Message) -> None:
        raise Killed


class Slow:
    """A target that does not answer until the test sets `answers`."""

    name = "slow"

    def __init__(self) -> None:
        self.is_called, self.answers = threading.Event(), threading.Event()

    def send(self, _: Message) -> None:
        self.is_called.set()
        self.answers.wait(30)


def with_target(*targets: str) -> Told:
    (store,) = new_stores(CONFIGURED, DATABASE, "one")
    return Told(store, Clock(), targets=[read_target(target) for target in targets])


def test_a_mail_server_and_a_webhook_get_one_message_with_one_id() -> None:
    with mail_server() as mails, webhook() as hook:
        one = with_target(
            f"mailto://127.0.0.1:{mails.port}?from=rooms@example.org&to={{user}}@example.org",
            f"json://127.0.0.1:{hook.port}/?:id={{id}}",
        )
        one.reserve("vish", "a", 9, purpose="tea ✓")
        one.told()
        one.restart()
        one.told(60)
    (mail,), (body,) = mails.mails, hook.bodies
    assert mails.recipients == [["vish@example.org"]]
    assert mail["Subject"] == "6.12 on Tuesday 2026-12-01 09:00–10:00: final"
    assert "(“tea ✓”) is yours. This is final." in mail.get_content()
    assert mail["Message-ID"] == f"<{body['id']}@bayou>"
    assert one.counted == ["sent", "sent"]


def test_a_message_is_lost_and_named_if_the_process_ends_while_it_is_sent(
    one: Told, caplog: pytest.LogCaptureFixture
) -> None:
    one.targets = [Killer()]
    one.restart()
    one.reserve("vish", "a", 9)
    one.reserve("vish", "b", 10)
    with pytest.raises(Killed):
        one.told()
    one.targets = [one.inbox]
    one.restart()
    assert (
        "The message may be lost, and is not sent again. Tell vish: 6.12 on Tuesday 2026-12-01 09:00–10:00: final"
        in caplog.text
    )
    assert [text[:40] for _, text in one.told()] == ["6.12 on Tuesday 2026-12-01 10:00–11:00 (“standup”) is"[:40]]
    caplog.clear()
    one.restart()
    assert caplog.text == ""


def test_a_target_that_does_not_answer_loses_the_message_says_so_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    one = with_target(f"mailto://127.0.0.1:{port}?from=rooms@example.org&to=all@example.org")
    inbox = one.inbox
    one.targets = [*one.targets, inbox]
    one.restart()
    one.reserve("vish", "a", 9)
    assert len(one.told()) == 1, "the other target gets it"
    assert one.counted == ["failed", "sent"]
    (record,) = caplog.records
    said = f"notify[0], mail through 127.0.0.1:{port}: the message for vish about vish/a failed and is not sent again: "
    assert record.getMessage().startswith(said)
    assert record.getMessage().endswith("Connection refused. Check this setting, and that the target answers.")
    assert one.told(60) == []


def test_the_thread_tells_a_tentative_change_once_it_was_held_long_enough() -> None:
    _, one, two = told_replicas("primary", "one", "two")
    two.notifications.start()
    try:
        one.reserve("neil", "first", 9)
        two.reserve("vish", "a", 9, 10)
        two.notifications.note(NOTHING)
        meet(two.store, one.store)
        two.notifications.note(NOTHING)
        seen = two.store.last_event()
        wait_until(lambda: (notices.NoticeStore(worker_redis(DATABASE), "two").position() or ("",))[0] == seen)
        assert two.inbox.messages == []
        two.clock.tick(31)
        two.notifications.note(NOTHING)
        wait_until(lambda: two.inbox.messages)
    finally:
        two.notifications.stop()
    assert [user for user, _ in two.inbox.take()] == ["vish"]


def test_a_write_for_which_an_application_fails_to_make_a_message_does_not_stop_the_others(
    one: Told, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(service: Service, news: News) -> Iterator[Notice]:
        if news.write.request == "a":
            raise KeyError("a fault")
        if news.write.request == "b":
            raise Unknown("reservation_unknown", "There is no such reservation.")
        yield Notice("vish", "vish/c", "one\nline\x1b[1m", "text")

    applications = [replace(application, notices=faulty) for application in APPLICATIONS]
    service = ReplicaService(CONFIGURED, one.store, FakePeers(), one.clock)
    client = worker_redis(DATABASE)
    told = notifications.Notifications(
        [one.inbox], one.store, client, service, applications, clock=one.clock, count=one.counted.append
    )
    for number, request in enumerate("abc"):
        one.reserve("vish", request, 9 + number)
    while told.step():
        pass
    assert [message.subject for message in one.inbox.messages] == ["one line [1m"]
    assert caplog.text.count("could not be made") == 2


def test_a_stop_does_not_wait_for_a_slow_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "STOP_S", 0.01)
    (one,) = told_replicas("one")
    slow = Slow()
    one.targets = [slow]
    one.restart()
    one.reserve("vish", "a", 9)
    one.notifications.start()
    assert slow.is_called.wait(30)
    one.notifications.stop()
    assert len(notices.NoticeStore(worker_redis(DATABASE), "one").interrupted()) == 1, "the next start names it"
    slow.answers.set()
    wait_until(lambda: not notices.NoticeStore(worker_redis(DATABASE), "one").interrupted())


def test_a_replica_that_begins_to_notify_tells_nothing_of_the_past() -> None:
    (store,) = new_stores(CONFIGURED, DATABASE, "one")
    before = Told(store, Clock())
    worker_redis(DATABASE).delete("bayou:{one}:notify")  # as if it had no `notify` yet
    before.reserve("vish", "a", 9)
    one = Told(store, before.clock)
    one.reserve("vish", "b", 10)
    assert [text[:40] for _, text in one.told()] == ["6.12 on Tuesday 2026-12-01 10:00–11:00 (“standup”) is"[:40]]


def test_what_is_accepted_while_the_setting_is_away_is_not_told_later(one: Told) -> None:
    one.targets = []
    one.restart()
    one.notifications.start()
    one.reserve("vish", "a", 9)
    one.targets = [one.inbox]
    one.restart()
    assert one.told(60) == []


def test_data_that_goes_on_under_another_id_tells_nothing_again(caplog: pytest.LogCaptureFixture) -> None:
    one, two = told_replicas("one", "two")
    two.reserve("vish", "a", 9)
    two.notifications.step()
    two.reserve("vish", "b", 10)
    two.store.begin(server="two~bbbbbb", cluster=CONFIGURED.cluster_id, first_primary=False)
    two.restart()
    assert "begin again, because this replica runs under another id" in caplog.text
    meet(two.store, one.store)
    assert (two.told(60), one.told(60)) == ([], [])


def test_a_write_that_comes_back_from_a_peer_is_not_told(one: Told) -> None:
    """The replica `two` has lost its data, and gets its own writes back from the replica `one`."""
    one, two = told_replicas("one", "two")
    two.reserve("vish", "a", 9)
    meet(two.store, one.store)
    client = worker_redis(DATABASE)
    client.delete(*client.scan_iter(match="bayou:{two}:*"))
    two.store.begin(server="two~bbbbbb", cluster=CONFIGURED.cluster_id, first_primary=False)
    two.restart()
    meet(two.store, one.store)
    assert two.told(60) == []


def test_after_a_gap_in_the_events_a_write_that_was_tentative_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    one, two = told_replicas("one", "two")
    two.reserve("vish", "a", 9)
    assert two.told() == []
    meet(two.store, one.store)
    worker_redis(DATABASE).xtrim("bayou:{two}:events", maxlen=1, approximate=False)
    two.store.set_link("one", up=False)
    worker_redis(DATABASE).xtrim("bayou:{two}:events", maxlen=1, approximate=False)
    ((_, text),) = two.told()
    assert text.endswith("is yours. This is final.")
    assert "events were dropped before the replica read these events" in caplog.text


def test_what_became_final_in_a_full_state_is_counted_in_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A full state has pages instead of single writes. If the full state covers writes of the replica, the replica does
    not learn the outcomes of these writes."""
    one, two, three = told_replicas("one", "two", "three")
    two.reserve("vish", "a", 9)
    assert two.told() == []
    meet(three.store, two.store)
    meet(three.store, one.store)
    one.store.truncate(0)
    two.reserve("vish", "b", 11)
    meet(two.store, one.store)
    assert two.store.state().osn > 0
    ((_, text),) = two.told(60)
    assert text.startswith("6.12 on Tuesday 2026-12-01 11:00")
    assert "1 writes of this replica became final in a full state. Their users are not told" in caplog.text


def test_a_start_reads_no_more_with_many_reservations(one: Told) -> None:
    def commands() -> int:
        client: Redis = worker_redis(DATABASE)
        return sum(row["calls"] for row in client.info("commandstats").values())

    costs = []
    for count in (1, 60):
        for number in range(count):
            one.reserve("vish", f"r{count}-{number}", 8, 9, 10, 11, 12, 13, purpose="x") if number < 5 else one.ask(
                "PATCH", "/reservations/vish/r1-0", purpose=f"p{number}", request=f"e{number}"
            )
        one.told()
        before = commands()
        one.restart()
        one.told()
        costs.append(commands() - before)
    assert costs[0] == costs[1] < 20


def test_many_messages_wait_in_the_event_stream(one: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "WAITING_MAX", 2)
    monkeypatch.setattr(notifications, "TRANSACTIONS", 1)
    monkeypatch.setattr(notifications, "SENT_MAX", 1)
    waiting = notices.NoticeStore(worker_redis(DATABASE), "one")
    for hour in range(6, 12):
        one.reserve("vish", f"r{hour}", hour)
    most = 0
    while one.notifications.step():
        most = max(most, waiting.count_waiting())
    assert (len(one.inbox.messages), most <= 2) == (6, True)
    assert len({message.id for message in one.inbox.messages}) == 6


def test_a_write_that_was_set_aside_and_is_made_again_without_effect_is_told() -> None:
    one, two = told_replicas("one", "two")
    one.reserve("neil", "first", 9)
    two.reserve("vish", "a", 9)
    one.told()
    client = worker_redis(DATABASE)
    client.rpush("bayou:{one}:set_aside", *client.hvals("bayou:{two}:writes"))
    one.store.resubmit(microseconds(one.clock()))
    ((user, text),) = one.told()
    assert (user, "was rejected: an earlier reservation took the slot" in text) == ("vish", True)
