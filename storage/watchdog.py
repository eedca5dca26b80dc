"""Watches the storage of a replica: ends a script that does not end by itself, and notices that the data folder is
gone.

A script does not end if an application's Lua has a loop that calls nothing. Such a script blocks Redis for everybody.
SCRIPT KILL ends the script if Redis has a `lua-time-limit`. The embedded Redis has no limit at first, because counting
the instructions of Lua costs 5 %. The first time that a script does not end, this module kills the embedded Redis.
Redis is then started again with a limit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from storage.redis.connect import OpenStorage

POLL_S = 1.0
SCRIPT_S_MAX = 5.0  # the longest script of a healthy replica takes about a second
ANSWER_S = 2.0
SILENCE_S_MAX = 20.0  # a Redis that does not answer SCRIPT KILL for so long is killed

_log = logging.getLogger(__name__)


class Watchdog:
    """Watches a storage. `running` has the start time (time.monotonic) of each running script; see ScriptRunner.
    `folder_lost` is called once if the data folder is deleted or replaced."""

    def __init__(
        self, storage: OpenStorage, running: Mapping[int, float], folder_lost: Callable[[], object] = lambda: None
    ) -> None:
        self._storage = storage
        self._running = running
        self._folder_lost = folder_lost
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(POLL_S):
            try:
                if not self._storage.is_folder_there():
                    self._folder_lost()
                    return
            except OSError as error:
                _log.warning("This replica cannot check its data folder: %s", error)
            began = min(list(self._running.values()), default=None)
            if began is not None and time.monotonic() - began > SCRIPT_S_MAX:
                self._end_script()

    def _end_script(self) -> None:
        deadline = time.monotonic() + SILENCE_S_MAX
        while problem := self._storage.end_script(ANSWER_S):
            if self._stopping.is_set():
                return
            if time.monotonic() > deadline:
                if self._storage.kill():
                    _log.warning(
                        "A Lua script could not be stopped (%s), so Redis was killed. Redis starts again by itself.",
                        problem,
                    )
                else:
                    _log.warning(
                        "A Lua script in Redis does not end, and this replica cannot stop the script: %s. Set"
                        " lua-time-limit to 5000 in the configuration of Redis. Allow this replica to run SCRIPT"
                        " KILL. Then restart Redis.",
                        problem,
                    )
                return
