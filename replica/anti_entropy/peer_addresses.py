"""Finds the peers of a replica: the other founders and created servers that have not retired and were not forgotten.

The label of a founder stays the same, but its id may change at any time. So the id from the founder's last session with
this replica decides whether the founder has retired. If there was no such session, the writes that this replica holds
decide. Then a founder counts as retired if one of its ids has retired and no other id of the founder has writes.

A forgotten server is still a peer if it is the primary. A replica that was cut off can forget a server because it did
not know that this server had become the primary.
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
    """Map the label of each peer to its anti-entropy address. `met` maps labels to server ids: the id that each peer
    had in its last session with this replica. `forgotten` are the labels of forgotten servers."""
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
