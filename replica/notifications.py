"""Tells users what becomes of the writes that this replica has accepted. Each message is sent at most once to each
target of the setting `notify`.

One thread follows the event stream. It stores its position, the writes that are not final yet and the unsent messages
in Redis (storage/notices.py), and keeps nothing in memory. So after a restart it continues where it stopped.

If an outcome is final, the message is made at once. If an outcome is tentative, the message is made HOLD_MS after the
change. If the old outcome has come back by then, nobody is notified.

A message is marked as sent before it is sent, and an attempt is never repeated. If the replica ends during an attempt,
its next start logs a warning about the message.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from redis import Redis, RedisError

from apps.api.application import Application, News, Notice
from apps.api.service import Service
from bayou.application import Change, had_no_effect
from bayou.errors import Away, Refusal, Unknown
from bayou.names import on_one_line
from bayou.stamps import split_id
from bayou.write import Write
from replica.clock import Clock
from replica.events.expand import MADE_AGAIN, Transaction
from replica.targets.message import Message, SendError, Target
from storage.notices import NoticeStore, Progress
from storage.queries import Gap
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
HOLD_MS = 30_000
LOOK_S = 60.0  # between two looks at the events, even if none was noted
WAITING_MAX = 1000  # messages; with more, events wait in the event stream
TRANSACTIONS = 10  # that one step reads, each of up to some hundred writes
DUE_MAX = 100  # held writes that one step looks at
SENT_MAX = 20  # messages that one step sends
PAUSE_S, PAUSE_S_MAX = 1.0, 60.0  # while Redis does not answer
STOP_S = 3.0  # how long a stop waits for an attempt


class _Known(NamedTuple):
    """The outcomes of a followed write. News in apps.api.application explains `accepted` and `told`. `outcome` is the
    newest outcome."""

    accepted: str | None
    told: str | None
    outcome: str


class Notifications:
    """The notifications of one replica. `count` is called with `sent` or `failed` after each attempt. Without targets,
    no write is followed. If a target is added later, nobody is notified of earlier changes."""

    def __init__(
        self,
        targets: Sequence[Target],
        store: Store,
        client: Redis,
        service: Service,
        applications: Iterable[Application],
        *,
        clock: Clock,
        count: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._targets = targets
        self._store = store
        self._client = client
        self._notices = NoticeStore(client, store.label)
        self._service = service
        self._yielding = {tag: one.notices for one in applications if one.notices for tag in one.rules}
        self._clock = clock
        self._count = count
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        if not self._targets:
            self._notices.forget()
            return
        self.open()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def note(self, _: Transaction) -> None:
        """Wake the thread, because there is a new event. Returns at once."""
        self._wanted.set()

    def open(self) -> None:
        """Set the position in the event stream. If a position was stored under the present id of this replica, continue
        at that position. If no position was stored, begin after the newest event.

        If a position was stored under another id, also begin after the newest event. The data is then a copy or was
        restored, and the messages may have been sent elsewhere.
        """
        position, server = self._notices.position(), self._store.server() or ""
        if position is None or position[1] != server:
            dropped = self._notices.start(self._store.last_event(), server)
            if position is not None:
                LOGGER.warning(
                    "Notifications begin again, because this replica runs under another id. Nobody is notified of"
                    " earlier changes, and %d waiting messages are dropped. The calendar shows these changes.",
                    dropped,
                )
        self._name_interrupted()

    def step(self) -> bool:
        """Read the next events, make the messages that are due, and send some messages. Returns whether there is more
        to do at once."""
        self._name_interrupted()
        has_more = self._notices.count_waiting() < WAITING_MAX and (self._look() or self._release())
        return self._send() or has_more

    def _due_s(self) -> float:
        """Return the seconds until the next message about a tentative change is due, but at most LOOK_S."""
        oldest_ms = self._notices.oldest_held_ms()
        if oldest_ms is None:
            return LOOK_S
        return min(max(oldest_ms - self._now_ms() + HOLD_MS, 0) / 1000, LOOK_S)

    # Events.

    def _look(self) -> bool:
        """Follow the writes of the next events, and make the messages about writes that became final. Returns whether
        there were events."""
        position, server = self._notices.position(), self._store.server()
        if position is None or server is None:  # the namespace was emptied
            self._notices.start(self._store.last_event(), server or "")
            return False
        progress = Progress()
        try:
            entries = self._store.events(position[0], None, TRANSACTIONS, self._client)
        except Gap:
            last = self._store.last_event()
            LOGGER.warning(
                "Notifications were late: some events were dropped before the replica read these events. So some"
                " messages were not made. Check that the targets of `notify` answer in time."
            )
            self._catch_up(progress)
            self._notices.save(progress, (last, server))
            return True
        if not entries:
            return False
        changes = [(entry["kind"], change) for _, entry in entries for change in entry.get("changes", ())]
        known = self._known([change.write for _, change in changes])
        final: dict[str, _Known] = {}
        for kind, change in changes:
            self._note(kind, change, known, progress, final)
        self._tell_final(final, progress)
        if any(entry["kind"] == "revoked" for _, entry in entries):  # a full state says nothing of single writes
            self._follow_again([one for _, entry in entries for one in entry.get("revoked", ())], changes, progress)
            self._catch_up(progress)
        self._notices.save(progress, (entries[-1][0], server))
        return True

    def _note(
        self, kind: str, change: Change, known: dict[str, _Known], progress: Progress, final: dict[str, _Known]
    ) -> None:
        """Process one change of a write. If this replica has just accepted the write, begin to follow the write. If the
        write is not followed, ignore the change. If the write is committed, add the write to `final`, and stop
        following the write."""
        before = known.get(change.write)
        if change.was is None and kind in {"accepted", MADE_AGAIN} and not change.is_membership:
            is_answered = kind == "accepted" or not had_no_effect(change.now)
            now = _Known(change.now if is_answered else None, None, change.now)
        elif before is None:
            return
        else:
            now = before._replace(outcome=change.now)
        known[change.write] = now
        if change.csn is not None:
            final[change.write] = known.pop(change.write)
            _forget(change.write, progress)
        elif before is None or before.outcome != now.outcome:
            progress.followed[change.write] = json.dumps(now)
            progress.held.setdefault(change.write, self._now_ms())

    def _follow_again(self, revoked: Sequence[str], changes: Sequence[tuple[str, Change]], progress: Progress) -> None:
        """Follow again the revoked writes that this replica accepted. The users of these writes may know the outcome
        from before the revocation, but no later outcome."""
        before = {change.write: change.was for _, change in reversed(changes)}  # of its first change
        for identifier in revoked:
            if self._service.label(split_id(identifier)[1]) == self._store.label:
                try:
                    outcome = self._store.log_entry(identifier).outcome
                except Unknown:  # it has left the log since
                    continue
                progress.followed[identifier] = json.dumps(_Known(before.get(identifier) or outcome, None, outcome))
                progress.held[identifier] = self._now_ms()
                progress.forgotten.discard(identifier)

    def _catch_up(self, progress: Progress) -> None:
        """Compare every followed write with the log, and make the messages about writes that became final."""
        final: dict[str, _Known] = {}
        dropped = 0
        ids = [one for one in self._notices.all_followed() if one not in progress.forgotten]
        for identifier, known in self._known(ids, progress).items():
            try:
                entry = self._store.log_entry(identifier)
            except Unknown as error:  # if it is not dropped, it was made again under another id
                dropped += error.code == "write_dropped"
                _forget(identifier, progress)
                continue
            now = known._replace(outcome=entry.outcome)
            if entry.csn is not None:
                final[identifier] = now
                _forget(identifier, progress)
            elif now != known:
                progress.followed[identifier] = json.dumps(now)
                progress.held.setdefault(identifier, self._now_ms())
        self._tell_final(final, progress)
        if dropped:
            LOGGER.warning(
                "%d writes of this replica became final in a full state. Their users are not told; they see the"
                " outcomes in the calendar.",
                dropped,
            )

    def _known(self, ids: Sequence[str], progress: Progress | None = None) -> dict[str, _Known]:
        found = self._notices.followed(list(dict.fromkeys(ids))) | (progress.followed if progress else {})
        return {one: _Known(*json.loads(text)) for one, text in found.items()}

    def _tell_final(self, final: Mapping[str, _Known], progress: Progress) -> None:
        writes = self._store.writes(list(final))
        for identifier, known in final.items():
            if write := writes.get(identifier):
                progress.messages += self._messages(write, known, "final")

    # Held changes.

    def _release(self) -> bool:
        """Make the messages about tentative changes that have waited for HOLD_MS. Returns whether there were such
        changes."""
        ids = self._notices.held(self._now_ms() - HOLD_MS, DUE_MAX)
        if not ids:
            return False
        progress, writes = Progress(settled=set(ids)), self._store.writes(ids)
        for identifier, known in self._known(ids).items():
            write = writes.get(identifier)
            if write is None:
                _forget(identifier, progress)
            elif messages := self._messages(write, known, str(self._now_ms())):
                progress.messages += messages
                progress.followed[identifier] = json.dumps(known._replace(told=known.outcome))
        self._notices.save(progress)
        return True

    # Messages.

    def _messages(self, write: Write, known: _Known, when: str) -> list[str]:
        """Return the messages about a write. `when` is `final`, or a text that differs for each tentative change of the
        write."""
        make = self._yielding.get(write.app)
        news = News(write, known.accepted, known.told, known.outcome, when == "final")
        try:
            found = list(make(self._service, news)) if make else []
        except (RedisError, Away):
            raise
        except Exception:  # go on after the write that caused it
            LOGGER.exception("The notification about the write %s could not be made.", write.id)
            found = []
        return [self._message(one, write, known, when).encode() for one in found]

    def _message(self, notice: Notice, write: Write, known: _Known, when: str) -> Message:
        cluster = self._service.settings.cluster_id
        parts = [cluster, write.app, write.user, write.request, notice.user, when, known.outcome]
        identifier = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
        at = self._clock().isoformat(timespec="seconds")
        return Message(identifier, at, notice.user, notice.about, on_one_line(notice.subject), notice.text)

    def _send(self) -> bool:
        """Send some messages. Returns whether more messages are waiting."""
        for _ in range(SENT_MAX):
            text = self._notices.next_waiting()
            if text is None or self._stopping.is_set():
                return False
            message = Message.decode(text)
            if self._notices.mark(message.id, self._now_ms()):
                self._attempt(message)
                self._notices.note_attempt()
        return True

    def _attempt(self, message: Message) -> None:
        for number, target in enumerate(self._targets):
            try:
                target.send(message)
            except SendError as error:
                LOGGER.warning(
                    "notify[%d], %s: the message for %s about %s failed and is not sent again: %s. Check this setting,"
                    " and that the target answers.",
                    number,
                    target.name,
                    message.user,
                    message.about,
                    on_one_line(str(error)).rstrip("."),
                )
                self._count("failed")
            else:
                self._count("sent")

    def _name_interrupted(self) -> None:
        interrupted = self._notices.interrupted()
        for message in map(Message.decode, interrupted):
            LOGGER.warning(
                "An attempt to send a message was cut short. The message may be lost, and is not sent again."
                " Tell %s: %s",
                message.user,
                message.subject,
            )
        if interrupted:
            self._notices.note_attempt()

    # The thread.

    def _run(self) -> None:
        pause_s = PAUSE_S
        while not self._stopping.is_set():
            self._wanted.clear()
            try:
                while self.step() and not self._stopping.is_set():
                    pass
                wait_s, pause_s = self._due_s(), PAUSE_S
            except (RedisError, Refusal) as error:
                LOGGER.debug("notifications wait: %s", error)
                self._stopping.wait(pause_s)
                wait_s, pause_s = 0.0, min(2 * pause_s, PAUSE_S_MAX)
            except Exception:  # go on after the message that caused it
                LOGGER.exception("Notifications were interrupted.")
                wait_s = PAUSE_S
            if not self._stopping.is_set():
                self._wanted.wait(wait_s)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def _forget(identifier: str, progress: Progress) -> None:
    progress.followed.pop(identifier, None)
    progress.held.pop(identifier, None)
    progress.forgotten.add(identifier)
