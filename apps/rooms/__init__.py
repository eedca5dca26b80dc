"""The application for meeting rooms and their reservations."""

from __future__ import annotations

from pathlib import Path

from apps.api.application import Application, FollowUp
from apps.rooms import endpoints, follow_up
from apps.rooms.answer_values import describe

APPLICATION = Application(
    name="rooms",
    version=1,
    lua=Path(__file__).parent / "lua" / "application.lua",
    describe=describe,
    endpoints=endpoints.endpoints,
    follow_up=FollowUp(follow_up.WORDS, follow_up.drafts_after),
)
