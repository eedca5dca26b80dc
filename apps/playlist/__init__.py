"""The application for a shared playlist, as in the university projects on Bayou."""

from __future__ import annotations

from pathlib import Path

from apps.api.application import Application
from apps.playlist import endpoints

APPLICATION = Application(
    name="playlist",
    version=1,
    lua=Path(__file__).with_name("playlist.lua"),
    describe=endpoints.describe,
    endpoints=endpoints.endpoints,
)
