"""The application for the people of the cluster and their roles."""

from __future__ import annotations

from pathlib import Path

from apps.api.application import Application
from apps.people import endpoints

APPLICATION = Application(
    name="people",
    version=1,
    lua=Path(__file__).with_name("people.lua"),
    is_judge=True,
    describe=endpoints.describe,
    endpoints=endpoints.endpoints,
)
