"""Who this replica is, settled at each start and whenever Redis was restarted, before anything is accepted.

It puts together what the birth file knows (storage/birth.py decides by it) and what the namespace holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from replica.config import Config
from storage.birth import Birth, mint
from storage.connect import Opened
from storage.store import Store


@dataclass(frozen=True, slots=True)
class Settled:
    """The id to write under. `warning` says why it is a new one, where that is not simply a first start."""

    id: str
    warning: str | None


def settle(opened: Opened, store: Store, settings: Config, label: str, now: datetime) -> Settled:
    """Decide the id, note it in the birth file, and open the namespace under it; raises Conflict other_cluster."""
    found, birth = store.server(), opened.birth
    # Until `founded_at` is noted nothing was accepted, so a crash in between leaves a first start; nor has a storage in
    # memory a past. Elsewhere an empty namespace is a loss, and whoever was the primary is not any more.
    in_memory = settings.redis_of(label) == "memory"
    first = found is None and (birth is None or not birth.founded_at or in_memory)
    identity = opened.identity(found, mark(store))
    server = identity.id or mint(label)
    cluster = settings.cluster_id
    founded_at = birth.founded_at if birth and birth.id == server else ""
    opened.remember(Birth(id=server, label=label, cluster=cluster, founded_at=founded_at))
    store.begin(server=server, cluster=cluster, first_primary=first and label == settings.primary)
    if not founded_at:
        opened.remember(Birth(id=server, label=label, cluster=cluster, founded_at=now.isoformat(timespec="seconds")))
    if identity.id or first:
        return Settled(server, None)
    lost = " It was the primary, and is not any more." if found and store.state().primary == found else ""
    return Settled(server, f"{identity.reason} It goes on as {server}.{lost}")


def mark(store: Store) -> str:
    """What the namespace holds, in words that no two states share: for the mark of a clean stop."""
    if store.server() is None:
        return ""
    state = store.state()
    return f"csn {state.csn}, clock {state.clock}, own {state.vector.get(state.server, 0)}, tentative {state.tentative}"
