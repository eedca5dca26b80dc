"""The application for records. Clients define relations, and each write of records carries its own dependency check and
merge procedure."""

from __future__ import annotations

from pathlib import Path

from apps.api.application import Application
from apps.records import endpoints

APPLICATION = Application(
    name="records",
    version=1,
    lua=Path(__file__).with_name("records.lua"),
    describe=endpoints.describe,
    endpoints=endpoints.endpoints,
)
