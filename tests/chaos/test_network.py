"""The proxies between the replicas of a chaos run close all connections when the run ends."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

import pytest

from tests.chaos.network import Network

BOUND_S = 20.0


def address_of(network: Network) -> tuple[str, int]:
    host, _, port = network.address("one", "two").rpartition(":")
    return host, int(port)


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """The address of a listener that does not answer, because its queue of waiting connections is full."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(3):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address


def is_ended(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a listener refuses calls while too many wait")
def test_a_connection_ends_with_the_network_though_the_listener_never_answered(silent: tuple[str, int]) -> None:
    with Network({"one": silent, "two": silent}, "seed", None) as network:
        callers = [socket.create_connection(address_of(network), BOUND_S) for _ in range(3)]
    for caller in callers:
        with caller:
            assert is_ended(caller)


def test_a_connection_that_was_just_accepted_ends_with_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        for _ in range(20):
            with contextlib.ExitStack() as opened:
                with Network({"one": address, "two": address}, "seed", None) as network:
                    callers = [socket.create_connection(address_of(network), BOUND_S) for _ in range(3)]
                for caller in map(opened.enter_context, callers):
                    assert is_ended(caller)
