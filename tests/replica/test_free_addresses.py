"""Errors of `listen`, which name the address and say what to do."""

from __future__ import annotations

import contextlib

import pytest

from bayou.errors import Conflict
from replica.config import Address
from replica.free_addresses import listen


def test_an_address_in_use_is_refused_with_the_advice_to_stop_the_other_program() -> None:
    with contextlib.closing(listen(Address("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match="Stop the program that uses this address"):
            listen(Address("127.0.0.1", port))


def test_an_address_of_another_machine_is_refused_with_the_advice_to_check_it() -> None:
    with pytest.raises(Conflict, match="Check that it is an address of this machine") as refused:
        listen(Address("192.0.2.1", 0))  # reserved for documentation
    assert "Stop the program" not in str(refused.value)
