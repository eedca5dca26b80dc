"""Writes in words for screens, by the application that each belongs to; a write of an unknown one stays as it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from apps.api.application import Application
from bayou.application import MEMBERSHIP
from bayou.write import Write
from storage.members import describe as describe_membership

LOGGER = logging.getLogger("bayou.replica")


class Describer:
    """`describe(write, outcome)` never raises: a screen that stops would hide more than it shows."""

    def __init__(self, applications: Sequence[Application]) -> None:
        self._applications = {application.tag: application for application in applications}

    def describe(self, write: Write, outcome: str) -> dict[str, Any]:
        if write.app == MEMBERSHIP:
            return describe_membership(write)
        application = self._applications.get(write.app)
        if application is None:
            return {}
        try:
            return application.describe(write, outcome)
        except Exception:  # a peer may have sent arguments that the application's describe does not expect
            LOGGER.exception("%s cannot describe %s", write.app, write.id)
            return {}
