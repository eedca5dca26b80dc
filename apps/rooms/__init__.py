"""The application for meeting rooms and their reservations."""

from __future__ import annotations

from pathlib import Path

from apps.api.application import Application, FollowUp
from apps.rooms import endpoints, follow_up, local_times, notices
from apps.rooms.answer_values import describe

_LUA = Path(__file__).parent / "lua"

APPLICATION = Application(
    name="rooms",
    version=2,
    lua=_LUA / "local_times.lua",
    older={1: _LUA / "application.lua"},
    describe=describe,
    endpoints=endpoints.endpoints,
    follow_up=FollowUp(follow_up.WORDS, follow_up.drafts_after),
    warnings=local_times.warnings,
    notices=notices.notices,
)
