"""`listen` names the address in its errors, and `free_addresses` gives an address only once."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from bayou.errors import Conflict
from replica.config import Address
from replica.free_addresses import BLOCK, free_addresses, listen


def test_an_address_in_use_is_refused_with_the_advice_to_stop_the_other_program() -> None:
    with contextlib.closing(listen(Address("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match="Stop the program that uses this address"):
            listen(Address("127.0.0.1", port))


def test_an_address_of_another_machine_is_refused_with_the_advice_to_check_it() -> None:
    with pytest.raises(Conflict, match="Check that it is an address of this machine") as refused:
        listen(Address("192.0.2.1", 0))  # reserved for documentation
    assert "Stop the program" not in str(refused.value)


def test_an_address_is_not_given_twice() -> None:
    """The first address is still free, because nothing listens there yet."""
    addresses = [next(free_addresses(1)) for _ in range(BLOCK // 2)]
    assert len(set(addresses)) == len(addresses)
    assert len(set(free_addresses(2 * BLOCK))) == 2 * BLOCK


def test_two_processes_get_different_addresses() -> None:
    program = (
        "import sys; from replica.free_addresses import *; print(*free_addresses(300), flush=True); sys.stdin.read()"
    )
    with contextlib.ExitStack() as started:
        processes = [
            started.enter_context(
                subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(3)
        ]
        given = [process.stdout.readline().split() for process in processes if process.stdout]
    assert len({address for each in given for address in each}) == 900
