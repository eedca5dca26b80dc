"""Membership, with real replicas that join, leave and hand over (Petersen 1997, sections 4 and 5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bayou.errors import Conflict
from cluster.processes import Processes
from replica.membership.invitations import Invitations
from tests.support.joined import ask, code, joined, reserve
from tests.support.live import command, link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

QUIET = {"interval_s": 0, "after_write": False}  # sessions on request only
LIVELY = {"interval_s": 0.3, "debounce_ms": 1}


def address(processes: Processes, label: str) -> str:
    return str(processes.settings.replica(label).rest)


def replica(at: str) -> dict[str, Any]:
    answer = ask(at, "GET", "/replica")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def labels(at: str) -> list[str]:
    return [peer["label"] for peer in replica(at)["peers"]]


def test_a_server_joins_through_any_replica_and_keeps_its_id_after_a_restart(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=LIVELY) as processes, joined(processes, "four") as four:
        one, two = address(processes, "one"), address(processes, "two")
        assert reserve(one, "r1", 9).status_code == 201
        four.start("--join", "two")
        assert four.status is None, four.output
        wait_until(lambda: "joined through two" in four.output)
        state = replica(four.identity["rest"])
        creation, _, creator = state["id"].partition(":")
        assert (len(creation), creator) == (16, replica(two)["id"])
        assert sorted(labels(four.identity["rest"])) == ["one", "two"]
        wait_until(lambda: "four" in labels(one) and "four" in labels(two))
        members = {member["label"]: member for member in replica(one)["members"]}
        assert members["four"]["rest"] == four.identity["rest"]

        # A user reaches it by its label, although no configuration has it.
        typed = ("client.py", "vish", "--config", processes.configuration)
        state_folder = {"XDG_STATE_HOME": str(tmp_path / "state")}
        used = command(*typed, "use", "four", environment=state_folder)
        assert f"using four at {four.identity['rest']}" in used.communicate(timeout=60)[0]
        shown = command(*typed, "admin", "truncate", "5", "--json", environment=state_folder)
        assert json.loads(shown.communicate(timeout=60)[0]) == {"dropped": 0}
        other = command(*typed, "rooms", "--replica", "five", environment=state_folder)
        assert "The replicas that answer do not know this name either." in other.communicate(timeout=60)[0]

        assert reserve(four.identity["rest"], "r2", 10).status_code == 201
        wait_until(lambda: ask(one, "GET", "/reservations/vish/r2").json().get("state") == "committed")
        assert four.stop() == 0
        four.start()
        again = replica(four.identity["rest"])
        assert (again["id"], again["label"]) == (state["id"], "four")
        wait_until(lambda: ask(four.identity["rest"], "GET", "/reservations/vish/r2").json()["state"] == "committed")
        wait_until(lambda: "four joined through two" in processes.output("one"))


def test_a_label_needs_join_and_another_join_is_refused(tmp_path: Path) -> None:
    with live(tmp_path, ("one",), anti_entropy=QUIET) as processes, joined(processes, "four") as four:
        four.start()
        assert four.status == 1
        assert "There is no replica 'four'; the configuration has one." in four.output
        assert "add --join and the label of a running replica" in four.output
        four.start("--join", "127.0.0.1:1")
        assert four.status == 1
        assert "The request to 127.0.0.1:1 failed: nobody answers at its address." in four.output
        asked = four.identity
        assert (asked["id"], asked["through"]) == ("", "127.0.0.1:1")
        four.start("--join", "one")
        assert four.status == 1
        assert "At an earlier start, four began to join through 127.0.0.1:1" in four.output
        assert [member["label"] for member in replica(address(processes, "one"))["members"]] == ["one"]


def test_with_tokens_a_server_joins_only_with_an_invitation_of_a_manager(tmp_path: Path) -> None:
    """The error message of the server says how to get an invitation. An invitation is valid for one label only. The
    invitation is no longer valid when the replica that made it restarts."""
    with live(tmp_path, ("one",), anti_entropy=LIVELY, auth="tokens") as processes:
        one = address(processes, "one")

        def token() -> str:
            return (processes.settings.data / "one" / "operator.token").read_text().strip()

        def members() -> list[str]:
            answer = ask(one, "GET", "/replica", Authorization=f"Bearer {token()}")
            return [member["label"] for member in answer.json()["members"]]

        def invitation(label: str) -> str:
            typed = ("client.py", "operator", "--config", processes.configuration, "--replica", "one")
            shown = command(*typed, "admin", "invite", label, "--json", environment={"BAYOU_TOKEN": token()})
            return str(json.loads(shown.communicate(timeout=60)[0])["invitation"])

        with joined(processes, "four") as four:
            four.start("--join", "one")
            assert four.status == 1
            assert "four can join only with an invitation. A manager gets an invitation with" in four.output
            old = invitation("four")
            processes.stop("one")
            processes.start("one")
            processes.wait_until_serving("one")
            for wrong in (old, invitation("five"), "nonsense"):
                four.start("--join", "one", "--invitation", wrong)
                assert four.status == 1
                assert "one has not made this invitation for four since the last start of one." in four.output
            assert members() == ["one"]
            four.start("--join", "one", "--invitation", invitation("four"))
            assert four.status is None, four.output
            wait_until(lambda: members() == ["one", "four"])
            assert four.stop() == 0
            four.start()
            assert four.status is None, four.output
        answer = ask(one, "POST", "/replica/invite", {"label": "four"}, Authorization=f"Bearer {token()}")
        assert code(answer) == (409, "label_taken")


def test_an_invitation_ends_after_an_hour() -> None:
    now = datetime(2026, 12, 1, 8, 0, 0, 500_000, UTC)
    invitations = Invitations("one", lambda: now, is_needed=True)
    invitation, until = invitations.invite("four")
    assert until == datetime(2026, 12, 1, 9, tzinfo=UTC)
    now = until
    invitations.check("four", invitation)
    now += timedelta(seconds=1)
    with pytest.raises(Conflict, match="The invitation of four has expired"):
        invitations.check("four", invitation)
    longer = f"{int(invitation[:10]) + 3600}{invitation[10:]}"
    with pytest.raises(Conflict, match="has not made this invitation for four"):
        invitations.check("four", longer)


def test_a_retired_server_leaves_and_its_label_can_join_again(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=LIVELY) as processes, joined(processes, "four") as four:
        one, two = address(processes, "one"), address(processes, "two")
        four.start("--join", "one")
        first = replica(four.identity["rest"])["id"]
        wait_until(lambda: "four" in labels(two))
        assert reserve(four.identity["rest"], "r1", 9).status_code == 201
        answer = ask(four.identity["rest"], "POST", "/replica/retire")
        assert (answer.status_code, answer.json()["held_by"] in {"one", "two"}) == (200, True), answer.text
        assert four.wait() == 0
        assert "This replica has retired and accepts no more writes." in four.output
        wait_until(lambda: labels(one) == ["two"] and labels(two) == ["one"])
        assert first not in replica(one)["vectors"]["V"]
        assert ask(one, "GET", "/reservations/vish/r1").status_code == 200
        wait_until(lambda: "four retired" in processes.output("one"))

        four.start()
        assert four.status == 1
        assert "four has retired. To let it join again as a new server, add --join" in four.output
        four.start("--join", "two")
        assert four.status is None, four.output
        assert replica(four.identity["rest"])["id"] not in {first, None}
        wait_until(lambda: "four" in labels(one))


def test_a_retired_founder_may_be_started_again_under_a_new_id(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy=LIVELY) as processes:
        one, three = address(processes, "one"), address(processes, "three")
        assert reserve(three, "r1", 9).status_code == 201
        before = replica(three)["id"]
        assert ask(three, "POST", "/replica/retire").status_code == 200
        wait_until(lambda: processes.status("three") == 0)
        wait_until(lambda: labels(one) == ["two"])
        retired = {member["label"]: member["retired"] for member in replica(one)["members"]}
        assert retired == {"one": False, "two": False, "three": True}
        processes.start("three")
        processes.wait_until_serving("three")
        assert replica(three)["id"] != before
        wait_until(lambda: f"{before} has retired. This replica goes on as three~" in processes.output("three"))
        wait_until(lambda: labels(one) == ["two", "three"])
        assert reserve(three, "r2", 10).status_code == 201
        wait_until_equal(processes)


def test_a_retired_replica_waits_until_another_one_has_its_writes(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        two = address(processes, "two")
        ask(two, "POST", "/replica/sync/one")
        processes.stop("one")
        assert ask(two, "POST", "/replica/retire").json()["held_by"] is None
        assert code(reserve(two, "r1", 9)) == (409, "retired")
        assert code(ask(two, "POST", "/replica/promote", {"force": True})) == (409, "retired")
        processes.kill("two")
        processes.start("two")
        processes.wait_until_serving("two")
        assert replica(two)["retired"]
        assert code(reserve(two, "r1", 9)) == (409, "retired")
        processes.start("one")
        wait_until(lambda: processes.status("two") == 0)
        assert "one has all writes of this replica, so the process of this replica ends now." in processes.output("two")


def test_two_retiring_replicas_do_not_hold_the_writes_of_each_other(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy=QUIET) as processes:
        one, two, three = (address(processes, label) for label in ("one", "two", "three"))
        for away in (two, three):
            assert ask(away, "POST", "/replica/sync/one").status_code == 200
        assert ask(two, "POST", "/replica/sync/three").status_code == 200
        for here, there in (("one", "two"), ("two", "three"), ("three", "one")):
            link(processes, here, there, up=False)
        for away, request in ((two, "r2"), (three, "r3")):
            assert reserve(away, request, 9).status_code == 201
            assert ask(away, "POST", "/replica/retire").json()["held_by"] is None
        link(processes, "two", "three", up=True)
        wait_until(lambda: labels(two) == ["one"] and labels(three) == ["one"])
        for label in ("two", "three"):
            link(processes, "one", label, up=True)
            wait_until(lambda label=label: processes.status(label) == 0)  # type: ignore[misc]
        for request in ("r2", "r3"):
            assert ask(one, "GET", f"/reservations/vish/{request}").status_code == 200


def test_a_retiring_primary_hands_over_first(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy=LIVELY) as processes:
        one, three = address(processes, "one"), address(processes, "three")
        assert reserve(one, "r1", 9).json()["state"] == "committed"
        answer = ask(one, "POST", "/replica/retire", {"hand_over_to": "three"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["held_by"] == "three"
        wait_until(lambda: processes.status("one") == 0)
        assert replica(three)["primary"]["here"]
        assert reserve(three, "r2", 10).json()["state"] == "committed"
        wait_until_equal(processes, "two", "three")
        wait_until(lambda: "one retired" in processes.output("two"))


def test_a_primary_does_not_retire_if_no_replica_can_take_over(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        one = address(processes, "one")
        ask(one, "POST", "/replica/sync/two")
        processes.stop("two")
        answer = ask(one, "POST", "/replica/retire")
        assert code(answer) == (409, "is_primary")
        assert "No replica could take over. two: " in answer.json()["error"]["message"]
        assert reserve(one, "r1", 9).json()["state"] == "committed"
        assert not replica(one)["retired"]


def test_a_hand_over_starts_at_the_next_primary_or_at_the_present_one(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy=QUIET) as processes:
        one, two, three = (address(processes, label) for label in ("one", "two", "three"))
        ask(two, "POST", "/replica/sync/one")
        ask(three, "POST", "/replica/sync/one")
        assert reserve(two, "r1", 9).json()["state"] == "tentative"
        answer = ask(two, "POST", "/replica/promote")
        assert (answer.status_code, answer.json()["primary"]["label"]) == (200, "two"), answer.text
        assert ask(two, "GET", "/reservations/vish/r1").json()["state"] == "committed"
        assert not replica(one)["primary"]["here"]
        assert replica(one)["primary"]["label"] == "two"
        assert code(ask(two, "POST", "/replica/promote")) == (409, "is_primary")
        assert code(ask(one, "POST", "/replica/promote", {"to": "three"})) == (409, "not_primary")

        # The replica `three` still regards the replica `one` as the primary. The replica `one` names the new primary.
        answer = ask(two, "POST", "/replica/promote", {"to": "three"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["primary"] == {"id": replica(three)["id"], "label": "three", "here": False, "gone": False}
        answer = ask(one, "POST", "/replica/promote")
        assert answer.status_code == 200, answer.text
        assert replica(one)["primary"]["here"]
        assert [replica(at)["epoch"]["number"] for at in (one, two, three)] == [0, 0, 0]
        ask(two, "POST", "/replica/sync/one")
        assert reserve(two, "r2", 10).json()["state"] == "tentative"
        ask(two, "POST", "/replica/sync/one")
        assert ask(two, "GET", "/reservations/vish/r2").json()["state"] == "committed"
        wait_until(lambda: "primary is now two" in processes.output("one"))


def test_a_hand_over_needs_the_old_primary_and_force_does_not(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy=QUIET) as processes:
        one, two, three = (address(processes, label) for label in ("one", "two", "three"))
        ask(one, "POST", "/replica/sync/two")
        ask(one, "POST", "/replica/sync/three")
        assert reserve(one, "lost", 9).json()["state"] == "committed"
        assert reserve(two, "mine", 9).json()["state"] == "tentative"
        processes.kill("one")
        answer = ask(two, "POST", "/replica/promote")
        assert code(answer) == (503, "peer_unreachable")
        assert "The present primary, one, must give its role to this replica." in answer.json()["error"]["message"]
        before = replica(two)["id"]
        answer = ask(two, "POST", "/replica/promote", {"force": True})
        assert answer.status_code == 200, answer.text
        state = replica(two)
        assert state["id"] != before
        assert answer.json()["epoch"] == state["epoch"] == {"number": 1, "promoter": state["id"]}
        assert ask(two, "GET", "/reservations/vish/mine").json()["state"] == "committed"
        assert ask(three, "POST", "/replica/sync/two").status_code == 200

        # A commit that only the old primary had becomes tentative again, and is rejected in the new order.
        processes.start("one")
        processes.wait_until_serving("one")
        assert ask(one, "POST", "/replica/sync/two").status_code == 200
        assert not replica(one)["primary"]["here"]
        assert ask(one, "POST", "/replica/sync/two").status_code == 200
        wait_until_equal(processes, "one", "two")
        shown = ask(two, "GET", "/reservations/vish/lost").json()
        assert (shown["state"], shown["final"]) == ("rejected", True)
        wait_until(lambda: "revoked" in processes.output("one"))


@pytest.mark.parametrize(("label", "other"), [("one", "two"), ("two", "one")])
def test_a_replica_that_stops_ends_its_sessions_in_good_order(tmp_path: Path, label: str, other: str) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=LIVELY) as processes:
        there = address(processes, other)

        def last_session() -> Any:
            return replica(there)["peers"][0]["last_session"]

        wait_until(lambda: (last_session() or {"error": ""})["error"] is None)
        processes.stop(label)
        wait_until(lambda: last_session()["error"])
        wait_until(lambda: f"no session with {label}: " in processes.output(other))
        assert "early" not in processes.output(other)


def test_another_cluster_is_refused_on_both_sides(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=LIVELY) as processes, joined(processes, "four") as four:
        one = address(processes, "one")
        processes.stop("two")
        right = processes.configuration.read_text()
        processes.configuration.write_text(right.replace("cluster: ", "cluster: x"))
        (processes.settings.data / "two").rename(tmp_path / "aside")
        processes.start("two")
        processes.wait_until_serving("two")
        for label, other in (("one", "two"), ("two", "one")):
            said = f"no session with {other}: "
            wait_until(
                lambda label=label, said=said: any(  # type: ignore[misc]
                    said in line and "Start both replicas with the same configuration file." in line
                    for line in processes.output(label).splitlines()
                )
            )
        four.start("--join", "one")
        assert four.status == 1
        assert "one belongs to the cluster " in four.output
        assert [member["label"] for member in replica(one)["members"]] == ["one", "two"]


def test_a_label_or_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    with live(tmp_path, ("one",), anti_entropy=QUIET) as processes, joined(processes, "four") as four:
        one = address(processes, "one")
        four.start("--join", "one", "--rest", one)
        assert four.status == 1
        assert f"Cannot listen on {one}" in four.output
        assert [member["label"] for member in replica(one)["members"]] == ["one"]
        four.start("--join", "one")
        assert four.status is None
        four.stop()
        four.start("--rest", "127.0.0.1:1")
        known = four.identity["rest"]
        assert f"--rest cannot be changed: this server joined with {known}, and its peers know" in four.output
        with joined(processes, "five") as five:
            five.start("--join", "one", "--anti-entropy", "nonsense")
            assert "--anti-entropy: an address must be HOST:PORT" in five.output
            five.start("--join", "nobody")
            assert "--join takes a label of the configuration (one)" in five.output
