"""Running replicas tell users the outcome of each reservation at most once, even if a replica is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.joined import ask, reserve
from tests.support.live import link, live, wait_until_equal
from tests.support.receivers import mail_server, webhook
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


def test_one_of_two_replicas_tells_once_by_mail_and_webhook(tmp_path: Path) -> None:
    with mail_server() as mails, webhook() as hook:
        targets = [
            f"mailto://127.0.0.1:{mails.port}?from=rooms@example.org&to={{user}}@example.org",
            f"json://127.0.0.1:{hook.port}/?:id={{id}}&:user={{user}}",
        ]
        with live(tmp_path, ("one", "two"), notify=targets) as processes:
            one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
            link(processes, "one", "two", up=False)
            assert reserve(two, "a", 9).status_code == 201
            assert reserve(two, "b", 10).status_code == 201
            link(processes, "one", "two", up=True)
            wait_until(lambda: len(hook.bodies) == 2)
            wait_until_equal(processes)
            processes.kill("two")
            processes.start("two")
            processes.wait_until_serving("two")
            assert reserve(one, "c", 11).status_code == 201
            wait_until(lambda: len(hook.bodies) == 3)
            wait_until(lambda: 'bayou_notifications_total{result="sent"} 2.0' in ask(one, "GET", "/metrics").text)
            assert 'bayou_notifications_total{result="sent"} 0.0' in ask(two, "GET", "/metrics").text
    assert [mail["Message-ID"] for mail in mails.mails] == [f"<{body['id']}@bayou>" for body in hook.bodies]
    assert {body["user"] for body in hook.bodies} == {"vish"}


def test_a_replica_that_is_killed_while_it_tells_names_the_message_at_its_next_start(tmp_path: Path) -> None:
    with live(tmp_path, ("one",), notify=[{"command": ["/bin/sh", "-c", "kill -9 $PPID"]}]) as processes:
        one = str(processes.settings.replica("one").rest)
        reserve(one, "a", 9)
        wait_until(lambda: processes.status("one") is not None)
        processes.start("one")
        processes.wait_until_serving("one")
        wait_until(
            lambda: "The message may be lost, and is not sent again. Tell vish: 6.12 on" in processes.output("one")
        )
        assert 'bayou_notifications_total{result="sent"} 0.0' in ask(one, "GET", "/metrics").text
