"""Handles the result of each session. This module records the result, and reads the peers again if the session may have
changed them. It also calls a function that updates the membership and commits writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import RedisError

from bayou.anti_entropy import Report
from bayou.errors import PeerRefusalCode, Refusal
from bayou.reach import Reach
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
UNKNOWN_CALLERS_MAX = 100  # unknown callers whose refusal is noted

AfterSession = Callable[[Report], None]


@dataclass(slots=True)
class PeerRecord:
    """The results of the sessions with one peer.

    `failures` counts the failed sessions in a row. `last` is what `GET /replica` shows as `last_session`. `held`
    describes the writes that the peer certainly holds. `held` comes from the last report that was made while no frame
    was in flight.
    """

    reachable: bool | None = None
    failures: int = 0
    last: dict[str, Any] | None = None
    held: Reach | None = None

    def note_still_open(self) -> None:
        """Set the time of the last result to now. Call this method while a standing session with the peer is idle."""
        if self.last is not None:
            self.last = self.last | {"at": _now()}


class SessionResults:
    """Handles the results of all sessions of a replica. The methods run in worker threads.

    record_of  returns the record of the peer with the given label; None if there is no such peer
    refresh    reads the peers from the store again
    after      updates the membership; also commits writes if this replica is a primary that commits automatically

    `after` is called with the report of each session that has ended. During a standing session, `after` is also called
    with each report that says that something was received.
    """

    def __init__(
        self,
        store: Store,
        record_of: Callable[[str], PeerRecord | None],
        refresh: Callable[[], object],
        after: AfterSession,
    ) -> None:
        self._store = store
        self._record_of = record_of
        self._refresh = refresh
        self._after = after
        self._unknown_callers: dict[str, str] = {}  # label -> why it was refused

    def note_progress(self, label: str, report: Report) -> None:
        """Handle a report of a standing session."""
        try:
            if report.received or report.installed:
                self._after(report)
            record = self._record_of(label)
            if record is not None:
                self._keep(label, record, report, None)
        except (RedisError, Refusal) as error:
            LOGGER.warning("in a session with %s: %s", label, error)

    def note(self, label: str, report: Report, seconds: float | None) -> None:
        """Handle the report of a session that has ended. `seconds` is the duration of the session; None if unknown.

        If the session could not begin because a replica was busy, do nothing. If the storage cannot be reached, log a
        warning. In this case `failures` is correct, but the result is possibly not recorded.
        """
        if report.code == PeerRefusalCode.BUSY:
            if not (report.sent or report.received or report.installed):
                return
            report.error = None  # the session did its work before another one replaced it
        if (known := self._record_of(label)) is not None:
            known.failures = 0 if report.error is None else known.failures + 1
        try:
            is_new = self._record_of(label) is None and report.error is None
            if report.received or report.installed or is_new:
                self._refresh()  # the session may have changed the members or the primary
            self._after(report)
            record = self._record_of(label)
            if record is not None:
                self._keep(label, record, report, seconds)
            elif report.error is not None:
                self._record_unknown_caller(label, report.error.message)
        except (RedisError, Refusal) as error:
            LOGGER.warning("after a session with %s: %s", label, error)

    def _keep(self, label: str, record: PeerRecord, report: Report, seconds: float | None) -> None:
        """Record the result of a session. Add an event if something was sent or received, or if the error changed."""
        error = report.error.message if report.error else None
        before = record.last["error"] if record.last else None
        record.reachable = report.code not in {PeerRefusalCode.UNREACHABLE, PeerRefusalCode.BROKEN_OFF}
        record.held = report.held or record.held
        record.last = {
            "at": _now(),
            "seconds": None if seconds is None else round(seconds, 4),
            "sent": report.sent,
            "received": report.received,
            "error": error,
        }
        if report.sent or report.received or error != before:
            counts = {"rolled_back": report.rolled_back, "replayed": report.replayed}
            self._store.add_session_event({"peer": label, **record.last, **counts})

    def _record_unknown_caller(self, label: str, error: str) -> None:
        """Record the refusal of a caller that is not a peer. The same error is recorded only once, because the caller
        may call again and again."""
        if self._unknown_callers.get(label) != error and len(self._unknown_callers) < UNKNOWN_CALLERS_MAX:
            self._unknown_callers[label] = error
            self._store.add_session_event({"peer": label, "sent": 0, "received": 0, "error": error})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
