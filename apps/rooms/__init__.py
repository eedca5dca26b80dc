"""The meeting rooms, as an application of the store."""

from __future__ import annotations

from pathlib import Path

from apps.rooms.operations import OPERATIONS
from apps.rooms.resources import register
from apps.rooms.view import describe
from bayou.application import Application

APPLICATION = Application(
    name="rooms",
    version=1,
    lua=Path(__file__).with_name("rooms.lua").read_text(encoding="utf-8"),
    describe=describe,
    register=register,
    operations=OPERATIONS,
)
