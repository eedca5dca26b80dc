"""The engine and the model (tests/support/model.py) take the same steps, and have the same pages, outcomes and logs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from apps import APPLICATIONS
from apps.people.drafts import draft_of
from apps.people.pages import OPERATOR
from apps.people.tokens import hash_of
from apps.rooms.drafts import DraftContext
from apps.rooms.drafts_series import Occurrence, not_cancelled
from apps.rooms.pages import decode_series
from bayou.stamps import stamp_text
from bayou.write import Draft
from storage.store import Store
from tests.simulation import clients, clients_series
from tests.simulation.nodes import RULES
from tests.simulation.run import Lab
from tests.support.engine_harness import Meeting
from tests.support.model import Replica

BEGIN_US = 1_796_112_000_000_000
NUMBERS = st.integers(0, 0xFFFF)
SERVERS = st.integers(0, 8)
OPS = st.sampled_from(["add", "add", "role", "token", "revoke"])


def asking(user: str, request: str, how: int) -> DraftContext:
    """Return the context of a request. The context says that the user is a manager, even if this is false.

    The bits of `how` select the limit on open reservations, the time, the time zone and the version of the rooms
    application.
    """
    limit, is_older = (None, 3)[how >> 4 & 1], how >> 9 & 3 == 3
    return clients.request_context(user, request, limit, how >> 5, "manager", is_older=is_older)


class AnyVersion(Store):
    """A store for which a test sets the active version of an application, as an upgrade of a cluster does. `active` is
    the tag of the active version."""

    active = ""

    def active_tag(self, name: str) -> str:  # noqa: ARG002
        return self.active


class Machine(RuleBasedStateMachine):
    """A state machine of hypothesis. Each rule takes one step in the engine and the same step in the model."""

    client: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.now = BEGIN_US
        self.engines: list[AnyVersion] = []
        self.models: list[Replica] = []
        self.series: list[str] = []
        for number in range(3):
            self._add(f"s{number}~aaaaaa", "s0~aaaaaa", first_primary=number == 0)
            self._exchange(0, number)

    def _add(self, server: str, primary: str, *, first_primary: bool = False, clock: int = 0) -> None:
        store = AnyVersion(self.client, f"s{len(self.engines)}", APPLICATIONS)
        store.begin(server=server, cluster="model", first_primary=first_primary)
        self.engines.append(store)
        self.models.append(Replica(server, primary, clock))

    def _pick(self, number: int) -> int:
        return number % len(self.engines)

    def _accept(self, number: int, draft: Draft) -> None:
        self.now += 1000
        if self.models[number].retired:
            return
        if draft.app.startswith("rooms/"):
            self.engines[number].active = draft.app
        outcome = self.engines[number].accept(draft, self.now).outcome
        assert outcome == self.models[number].accept(draft, self.now)

    def _exchange(self, one: int, other: int) -> None:
        """Run sessions between two replicas until nothing is left to send."""
        if one == other:
            return
        for _ in range(2):
            meeting = Meeting(self.engines[one], self.engines[other], RULES).run()
            assert all(end.finished and end.report.error is None for end in meeting.ends), meeting.ends[0].report
        if self.models[other].osn > self.models[one].csn:  # a full state is sent before anything comes back
            self.models[other].give(self.models[one])
        for _ in range(3):
            self.models[one].give(self.models[other])
            self.models[other].give(self.models[one])

    @rule(at=SERVERS, user=st.integers(0, 2), request=st.integers(0, 30), room=NUMBERS, slot=NUMBERS, how=NUMBERS)
    def reserve(self, at: int, user: int, request: int, room: int, slot: int, how: int) -> None:
        who = asking(f"u{user}", f"r{request}", how)
        self._accept(self._pick(at), clients.reserve(who, room % 2, slot % 8, how))

    @rule(at=SERVERS, user=st.integers(0, 2), request=st.integers(0, 30), room=NUMBERS, slot=NUMBERS, how=NUMBERS)
    def reserve_series(self, at: int, user: int, request: int, room: int, slot: int, how: int) -> None:
        who = asking(f"u{user}", f"r{request}", how)
        self._accept(self._pick(at), clients_series.reserve(who, room % 2, slot % 8, how))
        self.series.append(f"u{user}/r{request}")

    @precondition(lambda self: self.series)
    @rule(at=SERVERS, of=NUMBERS, slot=NUMBERS, how=NUMBERS, moves=st.booleans())
    def change_series(self, at: int, of: int, slot: int, how: int, moves: bool) -> None:
        number, identifier = self._pick(at), self.series[of % len(self.series)]
        owner = identifier.partition("/")[0]
        who = asking(owner if how % 3 else f"u{how % 2}", f"c{how % 40}", how)
        members = self._members(number, identifier)
        if members and moves:
            self._accept(number, clients_series.move(who, identifier, members, slot % 8, how, f"u{slot % 3}"))
        elif members:
            self._accept(number, clients_series.cancel(who, identifier, members))

    def _members(self, number: int, identifier: str) -> list[Occurrence]:
        page = clients.reservation_page(identifier)
        series = decode_series(self.engines[number].read([page]).pages[page].tentative)
        ids = series.occurrences(identifier) if series else {}
        pages = {day: clients.reservation_page(member) for day, member in ids.items()}
        views = self.engines[number].read(list(pages.values())).pages
        return not_cancelled((day, ids[day], views[page]) for day, page in pages.items())

    @rule(at=SERVERS, actor=st.integers(0, 5), of=st.integers(0, 2), op=OPS, how=NUMBERS)
    def person(self, at: int, actor: int, of: int, op: str, how: int) -> None:
        args = {"role": ("manager", "user")[how % 2]} if op in {"add", "role"} else {}
        args |= {"hash": hash_of(str(how))} if op in {"add", "token"} else {}
        name = f"u{actor}" if actor < 3 else OPERATOR
        self._accept(self._pick(at), draft_of(name, f"p{how}", clients.EPOCH, op, f"u{of}", **args))

    @rule(at=SERVERS, user=st.integers(0, 2), of=st.integers(0, 30), slot=NUMBERS, how=NUMBERS, moves=st.booleans())
    def change(self, at: int, user: int, of: int, slot: int, how: int, moves: bool) -> None:
        number, identifier = self._pick(at), f"u{user}/r{of}"
        page = clients.reservation_page(identifier)
        views = self.engines[number].read([page]).pages[page]
        who = asking(f"u{user if how % 4 else user + 1}", f"c{how % 40}", how)
        draft = clients.change(who, identifier, views, slot % 8, how, f"u{slot % 3}", moves=moves)
        if draft is not None:
            self._accept(number, draft)

    @rule(at=SERVERS, song=st.integers(0, 2), how=NUMBERS)
    def put(self, at: int, song: int, how: int) -> None:
        self._accept(self._pick(at), clients.put("u0", f"p{how % 50}", song, how))

    @rule(one=SERVERS, other=SERVERS)
    def exchange(self, one: int, other: int) -> None:
        self._exchange(self._pick(one), self._pick(other))

    @rule(at=SERVERS, keep=st.integers(0, 5))
    def truncate(self, at: int, keep: int) -> None:
        number = self._pick(at)
        self.engines[number].truncate(keep)
        self.models[number].truncate(keep)

    @rule(back_us=st.integers(-(10**9), 10**9))
    def clock(self, back_us: int) -> None:
        self.now += back_us

    @rule(creator=SERVERS)
    def create(self, creator: int) -> None:
        number = self._pick(creator)
        model, store = self.models[number], self.engines[number]
        if len(self.engines) >= 5 or model.retired:
            return
        self.now += 1000
        label = f"s{len(self.engines)}"
        server = store.create(label=label, rest="h:1", anti_entropy="h:2", request=f"join-{label}", now_us=self.now)
        body = store.writes([f"{server.partition(':')[0]}@{model.server}"])
        draft = next(iter(body.values()))
        assert model.accept(draft, self.now) == "updated"
        self._add(server, model.primary, clock=draft.stamp)
        self._exchange(number, len(self.engines) - 1)

    @rule(at=SERVERS)
    def retire(self, at: int) -> None:
        number = self._pick(at)
        model = self.models[number]
        if model.retired or self.engines[number].state().is_primary or sum(not m.retired for m in self.models) < 2:
            return
        self.now += 1000
        identifier = self.engines[number].retire(self.now)
        assert model.accept(self.engines[number].writes([identifier])[identifier], self.now) == "updated"

    @rule(at=SERVERS, lost=SERVERS)
    def forget(self, at: int, lost: int) -> None:
        """Let the server `at` mark the server `lost` as forgotten. If `at` and `lost` are the same server, let this
        server remove the mark from itself instead."""
        number, other = self._pick(at), self._pick(lost)
        model, store = self.models[number], self.engines[number]
        if model.retired:
            return
        self.now += 1000
        if number == other:
            store.come_back(self.now)
        else:
            store.forget_server(f"s{other}", self.now)
        identifier = f"{stamp_text(store.state().vector[model.server])}@{model.server}"
        assert model.accept(store.writes([identifier])[identifier], self.now) == "updated"

    @rule(to=SERVERS)
    def hand_over(self, to: int) -> None:
        primary = next((n for n, store in enumerate(self.engines) if store.state().is_primary), None)
        heir = self._pick(to)
        if primary is None or heir == primary or self.models[heir].retired:
            return
        self.now += 1000
        store, model = self.engines[primary], self.models[primary]
        store.hand_over(self.models[heir].server, self.now)
        model.commit()
        last = store.state().last
        assert model.accept(store.writes([last])[last], self.now) == "updated"
        self._exchange(primary, heir)
        self.engines[heir].catch_up()
        self.models[heir].commit()
        self._exchange(primary, heir)

    @invariant()
    def the_same(self) -> None:
        for store, model in zip(self.engines, self.models, strict=True):
            state = store.state()
            assert (state.csn, state.osn, state.primary) == (model.csn, model.osn, model.primary)
            assert state.vector == model.vector.stamps
            assert state.committed_vector == model.committed_vector.stamps
            assert state.omitted_vector == model.omitted_vector.stamps
            assert set(state.retired_servers) == set(model.vector.gone)
            log = [(entry.write.id, entry.csn, entry.outcome) for entry in store.log(None, 10_000) or ()]
            assert log == model.log
            tentative, committed = model.views
            pages = store.read(sorted({*tentative, *committed})).pages
            for name, views in pages.items():
                assert views.tentative == tentative.get(name, {}), name
                assert views.committed == committed.get(name, {}), name


# If the time limit ends an example, hypothesis reports a failed example. It then repeats the example without the limit,
# and reports a flaky strategy. So the limit is so long that only a test that hangs reaches it.
@pytest.mark.timeout(900)
@pytest.mark.slow
def test_engine_and_model_agree(laboratory: Lab) -> None:
    class Bound(Machine):
        client = laboratory.client

    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=8,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
