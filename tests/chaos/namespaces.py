"""Network namespaces: each replica of a chaos run has its own network. A packet filter in this network can drop packets
that the replica receives.

A bridge connects the namespaces to the host. On the bridge, the host has one address for the clients, and one address
for each proxy (tests/chaos/network.py). So the source address of a packet shows which proxy has sent the packet.
Namespaces need root, `ip` and `nsenter`, and `nft` or `iptables-restore`.

The names of the namespaces and of the host's links contain the process id of the run. So a later run can delete what a
killed run has left (`sweep`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = Path("/var/run/netns")
NETWORK = "198.18"  # reserved for measurements of networks (RFC 2544), so no machine should have such an address
NAMESPACE = re.compile(r"bayou-chaos-(\d+)-\w+")
LINK = re.compile(r"bayou(\d+)(\.\d)?")  # a bridge, or the end of a link to a namespace
FIRST_REPLICA, FIRST_WIRE = 10, 100  # last byte of the addresses
COMMAND_S_MAX = 20
REACHED_S_MAX = 2.0
CLOSED_PORT = 9

Loss = Mapping[str, float]  # source address -> share of its packets that are dropped, at most 1


class Unavailable(Exception):
    """This machine does not allow network namespaces. The message says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A packet filter. `rules` returns the rules for given losses, as text. `command` is a program that reads such a
    text from standard input. The program replaces all rules of a namespace with the rules in the text."""

    command: tuple[str, ...]
    rules: Callable[[Loss], str]


def _nft(loss: Loss) -> str:
    drops = [
        f"ip saddr {source} drop"
        if share >= 1
        else f"ip saddr {source} numgen random mod 1000 < {share * 1000:.0f} drop"
        for source, share in loss.items()
    ]
    chain = ["chain input {", "type filter hook input priority 0; policy accept;", *drops, "}"]
    return "\n".join(["flush ruleset", "table ip chaos {", *chain, "}", ""])


def _iptables(loss: Loss) -> str:
    drops = [
        f"-A INPUT -s {source} -m statistic --mode random --probability {share:.3f} -j DROP"
        for source, share in loss.items()
    ]
    return "\n".join(["*filter", *drops, "COMMIT", ""])


FILTERS = (Filter(("nft", "-f", "-"), _nft), Filter(("iptables-restore",), _iptables))


class Namespaces:
    """The namespaces of a run. `filter` is the packet filter in use, and `host` the address of the host."""

    def __init__(self, labels: Sequence[str], packet_filter: Filter, network: str) -> None:
        self.labels = list(labels)
        self.filter = packet_filter
        self.host = f"{network}.1"
        self._network = network
        self._wires = 0

    def address(self, label: str) -> str:
        return f"{self._network}.{FIRST_REPLICA + self.labels.index(label)}"

    def wire_address(self) -> str:
        """Give the host another address on the bridge, and return the address."""
        found = f"{self._network}.{FIRST_WIRE + self._wires}"
        self._wires += 1
        _run("ip", "address", "add", f"{found}/24", "dev", _bridge())
        return found

    def command(self, label: str) -> list[str]:
        """Return the first words of a command that runs in the namespace of a replica. The caller adds the command
        itself."""
        return ["nsenter", f"--net={NAMES / _name(label)}", "--"]

    def set_loss(self, label: str, loss: Loss) -> None:
        """From now on, drop a share of the packets that a replica receives from each address in `loss`. The new losses
        replace all earlier losses of the replica."""
        _run(*self.command(label), *self.filter.command, given=self.filter.rules(loss))

    def sent_again(self) -> int:
        """Return how many TCP segments the replicas and the host have sent more than once."""
        found = 0
        for label in self.labels:
            names, values = (
                line.split()
                for line in _run(*self.command(label), "cat", "/proc/net/snmp").splitlines()
                if line.startswith("Tcp:")
            )
            found += int(values[names.index("RetransSegs")])
        return found


@contextlib.contextmanager
def namespaces(labels: Sequence[str]) -> Iterator[Namespaces]:
    """Make a namespace for each label, and delete the namespaces at the end. Raise Unavailable if this machine does not
    allow namespaces."""
    packet_filter = _find_filter()
    try:
        made = Namespaces(labels, packet_filter, _free_network())
        _make(made)
    except (OSError, subprocess.SubprocessError) as problem:
        _delete(os.getpid())
        shown = getattr(problem, "stderr", None) or problem
        raise Unavailable(f"they could not be made: {' '.join(str(shown).split())}") from None
    except BaseException:
        _delete(os.getpid())
        raise
    try:
        yield made
    finally:
        _delete(os.getpid())


def sweep() -> None:
    """Delete the namespaces and bridges that earlier runs have left. A run counts as ended when its own process is
    gone. The caller makes sure that the replicas of such a run are gone too."""
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip"):
        found = [LINK.fullmatch(name) for _, name in socket.if_nameindex()]
        if NAMES.is_dir():
            found += [NAMESPACE.fullmatch(path.name) for path in NAMES.iterdir()]
        for pid in {int(match[1]) for match in found if match}:
            if not Path(f"/proc/{pid}").exists():
                _delete(pid)


def _find_filter() -> Filter:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("they need root on Linux")
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    for found in FILTERS:
        if shutil.which(found.command[0]) is not None:
            return found
    raise Unavailable("neither nft nor iptables-restore is installed")


def _free_network() -> str:
    """Return the first three bytes (`a.b.c`) of a network in which this machine has no address."""
    used = _run("ip", "-4", "address", "show")
    return next(found for at in range(256) if f"{(found := f'{NETWORK}.{(os.getpid() + at) % 256}')}." not in used)


def _make(made: Namespaces) -> None:
    bridge = _bridge()
    _run("ip", "link", "add", bridge, "type", "bridge")
    _run("ip", "address", "add", f"{made.host}/24", "dev", bridge)
    _run("ip", "link", "set", bridge, "up")
    for at, label in enumerate(made.labels):
        name, here = _name(label), f"{bridge}.{at}"
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", here, "master", bridge, "up")
        _run("ip", "-n", name, "address", "add", f"{made.address(label)}/24", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _check_reached(made.address(label))
        made.set_loss(label, {made.host: 0.5})  # fails if the kernel lacks a part of the filter
        made.set_loss(label, {})


def _check_reached(address: str) -> None:
    """Raise OSError if packets to an address do not arrive, for instance because of a firewall."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection((address, CLOSED_PORT), REACHED_S_MAX).close()


def _delete(pid: int) -> None:
    """Delete all links and namespaces of a run."""
    links = [name for _, name in socket.if_nameindex() if (match := LINK.fullmatch(name)) and match[1] == str(pid)]
    names = [path.name for path in NAMES.iterdir()] if NAMES.is_dir() else []
    for words in [
        *(["ip", "link", "delete", link] for link in links),
        *(["ip", "netns", "delete", name] for name in names if name.startswith(_name("", pid))),
    ]:
        subprocess.run(words, check=False, capture_output=True, timeout=COMMAND_S_MAX)


def _name(label: str, pid: int | None = None) -> str:
    return f"bayou-chaos-{pid or os.getpid()}-{label}"


def _bridge(pid: int | None = None) -> str:
    return f"bayou{pid or os.getpid()}"  # the name of a link has at most 15 characters


def _run(*words: str, given: str = "") -> str:
    return subprocess.run(
        words, input=given, check=True, capture_output=True, encoding="utf-8", timeout=COMMAND_S_MAX
    ).stdout
