"""The playlist of the university projects on Bayou, as an application of the store."""

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
