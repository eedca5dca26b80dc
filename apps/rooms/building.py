"""The part of the configuration that describes the building: its rooms, time zone and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

from apps.rooms.policies import Policies
from apps.rooms.settings import RoomSettings


@dataclass(frozen=True, slots=True)
class Building:
    """The rooms, the time zone and the policies of a building. `rooms` maps names to settings, in the order of the
    configuration."""

    zone: ZoneInfo
    rooms: Mapping[str, RoomSettings]
    policies: Policies

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return the building that a replica.config.Config describes."""
        return cls(
            zone=ZoneInfo(settings.timezone),
            rooms={room.name: room for room in settings.rooms},
            policies=Policies.of(settings.policies, settings.rooms),
        )
