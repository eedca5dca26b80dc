"""A program that is not a replica connects to a replica. The program learns nothing and changes nothing, and other
sessions still work."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from apps import APPLICATIONS
from bayou.anti_entropy import PROTOCOL
from cluster.processes import Processes
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_channel import MESSAGE_BYTES_MAX
from replica.anti_entropy.grpc_client import METHOD
from storage.scripts import rules_by_tag
from tests.support.live import live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

HELLO = wire.Hello(
    protocol=PROTOCOL, cluster="x", server="peer~aaaaaa", label="peer", applications=rules_by_tag(APPLICATIONS)
)
MESSAGE = wire.Frame(hello=HELLO).SerializeToString()
GARBAGE: list[list[bytes]] = [
    [],
    [b""],
    [b"\xff" * 100],
    [MESSAGE[:-1]],
    [MESSAGE, b"\xff\xff"],
    [wire.Frame(done=wire.Done()).SerializeToString()],
    [wire.Frame(hello=wire.Hello(label="\x1b[2J")).SerializeToString()],
    [wire.Frame(hello=wire.Hello(label="two", server="two~aaaaaa", vector={"x:y": 2**64 - 1})).SerializeToString()],
    [wire.Frame(hello=wire.Hello(label="two", server="x:y", birth="b", history="{")).SerializeToString()],
    [b"x" * (MESSAGE_BYTES_MAX + 1)],
    *([random.Random(seed).randbytes(40) for _ in range(3)] for seed in range(20)),
]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    settings = {"interval_s": 0.3, "debounce_ms": 1}
    with live(tmp_path_factory.mktemp("hostile"), ("one", "two"), anti_entropy=settings) as found:
        wait_until_equal(found)
        yield found


def send(processes: Processes, method: str, messages: list[bytes]) -> list[wire.Frame]:
    """Send these messages to a replica in one call, and return its answers."""
    answers: list[wire.Frame] = []
    with grpc.insecure_channel(str(processes.settings.replica("one").anti_entropy)) as channel:
        call: Any = channel.stream_stream(method, response_deserializer=wire.Frame.FromString)
        with contextlib.suppress(grpc.RpcError):
            answers.extend(call(iter(messages), timeout=10 if messages else 1))  # a unary call waits for a message
    return answers


def digest(processes: Processes) -> Any:
    return processes.rest("one").get("/replica/digest")


def test_garbage_is_refused_and_sessions_go_on(processes: Processes) -> None:
    before = digest(processes)
    for messages in GARBAGE:
        for answer in send(processes, METHOD, messages):
            assert answer.WhichOneof("kind") in {"hello", "refuse"}
        for name in ("Create", "HandOver", "TakeOver", "Nothing"):
            send(processes, METHOD.replace("Exchange", name), messages[:1])
    assert digest(processes) == before
    assert [peer["label"] for peer in processes.rest("one").get("/replica")["peers"]] == ["two"]
    slot = {"start": "2027-01-04T09:00:00Z", "end": "2027-01-04T10:00:00Z"}
    processes.rest("two").post("/reservations", {"room": "6.12", "slots": [slot], "request": "r1"}, user="vish")
    wait_until(lambda: processes.rest("one").get("/reservations/vish/r1")["state"] == "committed")
    assert "Traceback" not in processes.output("one")


def test_a_newer_release_is_refused_and_both_sides_see_why(processes: Processes) -> None:
    def refused(label: str, **newer: Any) -> str:
        """Send a hello that the replica refuses, and wait until the replica's operator can see the refusal.

        Return the code and the message.
        """
        given: dict[str, Any] = {"protocol": PROTOCOL, "cluster": processes.settings.cluster_id, "applications": rules}
        hello = wire.Hello(server=f"{label}~aaaaaa", label=label, history="[]", **(given | newer))
        refusal = send(processes, METHOD, [wire.Frame(hello=hello).SerializeToString()])[-1].refuse
        wait_until(lambda: f"no session with {label}: {refusal.message}" in processes.output("one"))
        return f"{refusal.code}: {refusal.message}"

    rules = rules_by_tag(APPLICATIONS)
    later = PROTOCOL + 1
    said = refused("later", protocol=later)
    sentence = f"one uses protocol version {PROTOCOL} and later uses version {later}. Run the same release on both."
    assert said == f"other_protocol: {sentence}"
    said = refused("new", applications={**rules, "rooms/3": "x"}, log_applications=["rooms/3"])
    sentence = (
        "The log of new holds writes of applications that one cannot play: rooms/3. Run the release of new on one too."
    )
    assert said == f"other_applications: {sentence}"
    said = refused("other", applications={**rules, "rooms/1": "x"})
    assert said.startswith(
        "other_applications: one and other have different rules for rooms/1. Run the same release on"
    )


def test_callers_that_hang_up_or_send_nothing_do_not_block_sessions(processes: Processes) -> None:
    """Ten callers each send one message and hang up. The next session still succeeds."""
    channel = grpc.insecure_channel(str(processes.settings.replica("one").anti_entropy))
    with channel:
        method: Any = channel.stream_stream(METHOD, response_deserializer=wire.Frame.FromString)
        calls = [method(iter([MESSAGE]), timeout=5) for _ in range(10)]
        for call in calls:
            call.cancel()
    processes.rest("two").post("/replica/sync/one")
