"""Keeps the last hello of each peer, and warns if a peer's settings or clock differ from those of this replica."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bayou.frames import Hello
from bayou.stamps import AHEAD_US_MAX, DAY_US, moment

LOGGER = logging.getLogger("bayou.replica")
HELLOS_MAX = 1000


class Hellos:
    """The last hello that each peer sent to the replica `label`. `alike` has the settings of this replica that should
    be the same on all replicas. `now_us` returns this replica's wall clock, in microseconds since 1970."""

    def __init__(self, label: str, cluster: str, alike: Mapping[str, str], now_us: Callable[[], int]) -> None:
        self._label = label
        self._cluster = cluster
        self._alike = alike
        self._now_us = now_us
        self._hellos: dict[str, Hello] = {}  # label -> the last one
        self._warned_of_clock: set[str] = set()  # labels of peers

    def get(self, label: str) -> Hello | None:
        return self._hellos.get(label)

    def servers(self) -> dict[str, str]:
        """Return a map from label to server id, for each replica of this cluster that has sent a hello."""
        hellos = list(self._hellos.items())
        return {label: hello.server for label, hello in hellos if hello.cluster == self._cluster}

    def note(self, hello: Hello) -> None:
        before = self._hellos.get(hello.label)
        if before is not None or len(self._hellos) < HELLOS_MAX:
            self._hellos[hello.label] = hello
            if hello.cluster == self._cluster and (before is None or before.settings != hello.settings):
                self._warn_of_settings(hello)
            self._warn_of_clock(hello)

    def _warn_of_settings(self, hello: Hello) -> None:
        """Log a warning for each setting that should be the same on both replicas but is not. The session continues. A
        setting may differ for a while, because an operator changes the replicas one after another."""
        one, other = self._label, hello.label
        here, there = self._alike, hello.settings
        if (here["auth"] == "none") != (there.get("auth", here["auth"]) == "none"):
            strict, lax = (other, one) if here["auth"] == "none" else (one, other)
            LOGGER.warning(
                "%s makes its clients log in, and %s does not (auth: none). A client of %s can use any name, and the"
                " writes of this client count on every replica. Give both replicas the same configuration.",
                strict,
                lax,
                lax,
            )
        if here["timezone"] != there.get("timezone", here["timezone"]):
            LOGGER.warning(
                "%s has the time zone %s, and %s has %s. Each replica checks opening hours and shows times"
                " in its own zone."
                " Give both replicas the same configuration.",
                one,
                here["timezone"],
                other,
                there["timezone"],
            )

    def _warn_of_clock(self, hello: Hello) -> None:
        """Log a warning if the clocks of the two replicas differ by more than a day. After a warning, log no other
        warning for this peer until the difference has been at most a day.

        If the clocks differ by more than a year, log nothing, because the session is refused for this reason.
        """
        now_us = self._now_us()
        if abs(hello.clock - now_us) <= DAY_US:
            self._warned_of_clock.discard(hello.label)
        elif abs(hello.clock - now_us) <= AHEAD_US_MAX and hello.label not in self._warned_of_clock:
            self._warned_of_clock.add(hello.label)
            LOGGER.warning(
                "The clock of %s says %s, and the clock of %s says %s. These clocks decide the order of tentative"
                " writes. Correct the wrong clock.",
                self._label,
                moment(now_us),
                hello.label,
                moment(hello.clock),
            )
