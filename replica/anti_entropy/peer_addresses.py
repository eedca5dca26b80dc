"""Finds the peers of a replica: the other founders, and the other servers that joined later. Servers that have retired
or were forgotten are not peers.

A founder keeps its label, but may get a new server id at any time. If the founder has had a session with this replica
since this replica started, the founder counts as retired if its id in the last session has retired.

Otherwise the founder counts as retired if one of its ids has retired, and the vector of this replica has no id of the
founder.

A forgotten server is still a peer if it is the primary. This case is possible: an operator lets a replica that is cut
off forget a server, and does not know that the server has become the primary.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bayou.state import State
from replica.config import Address, Config, read_address
from storage.members import Member, label_of


def peer_addresses(
    settings: Config,
    own_label: str,
    state: State,
    created: Sequence[Member],
    met: Mapping[str, str],
    forgotten: Collection[str],
) -> dict[str, Address]:
    """Return a map from the label of each peer to the peer's anti-entropy address. `met` maps the label of each peer to
    the server id that the peer had in its last session with this replica. `forgotten` has the labels of forgotten
    servers."""
    found = {
        label: founder.anti_entropy
        for label, founder in settings.founders.items()
        if label != own_label and not _is_gone(label, state, met)
    }
    for member in created:
        if member.label not in {own_label, *settings.founders}:
            found[member.label] = read_address(member.anti_entropy)
    lost = set(forgotten) - {label_of(state.primary, created)}
    return {label: address for label, address in found.items() if label not in lost}


def _is_gone(label: str, state: State, met: Mapping[str, str]) -> bool:
    if label in met:
        return met[label] in state.retired_servers
    retired = any(label_of(server, ()) == label for server in state.retired_servers)
    return retired and not any(label_of(server, ()) == label for server in state.vector)
