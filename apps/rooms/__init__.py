"""The meeting rooms, as an application of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.api.application import Application
from apps.api.service import Service
from apps.rooms import feed_resources, operations, resources
from apps.rooms.view import describe


def _register(api: Any, service: Service) -> None:
    resources.register(api, service)
    feed_resources.register(api, service)


APPLICATION = Application(
    name="rooms",
    version=1,
    lua=Path(__file__).parent / "lua" / "application.lua",
    describe=describe,
    register=_register,
    operations=(*operations.OPERATIONS, *feed_resources.OPERATIONS),
)
