"""The REST endpoints of the meeting rooms. They reach a replica only through Service. To refuse a request, they raise a
Refusal."""

from __future__ import annotations

from apps.api.endpoint import Endpoint
from apps.api.service import Service
from apps.rooms.building import Building
from apps.rooms.endpoints.conflicts import Conflicts
from apps.rooms.endpoints.feeds import Feeds
from apps.rooms.endpoints.history import Histories
from apps.rooms.endpoints.local_times import LocalTimes
from apps.rooms.endpoints.reservations import Reservations
from apps.rooms.endpoints.rooms import Rooms
from apps.rooms.endpoints.series import AllSeries


def endpoints(service: Service) -> list[Endpoint]:
    building = Building.of(service.settings)
    groups = (Rooms, Reservations, Histories, Conflicts, AllSeries, Feeds, LocalTimes)
    return [endpoint for group in groups for endpoint in group(service, building).endpoints()]
