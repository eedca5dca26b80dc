"""Describes writes for screens. Each write names an application, and this application makes the description."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from apps.api.application import Application, why_forbidden
from bayou.application import MEMBERSHIP, had_no_effect, refusal_of_judge
from bayou.write import Write
from storage.members import describe as describe_membership

LOGGER = logging.getLogger("bayou.replica")


class Describer:
    """Describes writes for screens. `describe(write, outcome)` never raises an error. If this replica does not know the
    application, `describe` returns an empty description.

    The description of a client's write has the key `why`. If the description has `parts`, each part has this key
    instead. If an acknowledged write had no effect, `why` is a sentence that gives the reason. If the application gives
    no reason, this class gives one. If the write had its effect, `why` is None.
    """

    def __init__(self, applications: Sequence[Application]) -> None:
        self._applications = {tag: application for application in applications for tag in application.rules}

    def describe(self, write: Write, outcome: str) -> dict[str, Any]:
        if write.app == MEMBERSHIP:
            return describe_membership(write)
        application = self._applications.get(write.app)
        if application is None:
            return {}
        why = None
        if refusal := refusal_of_judge(outcome):
            why = f"{write.user}’s {write.op} had no effect: {why_forbidden(refusal)}."
        elif had_no_effect(outcome):
            why = f"{write.user}’s {write.op} had no effect ({outcome})."
        try:
            return {"why": why, **application.describe(write, outcome)}
        except Exception:  # arguments of a peer may be unexpected; the other events must still be shown
            LOGGER.exception("%s cannot describe %s", write.app, write.id)
            return {}
