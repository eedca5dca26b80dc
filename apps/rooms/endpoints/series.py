"""The endpoints of series. One write reserves, moves or cancels a whole series; each occurrence has its own outcome."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from typing import Any

from apps.api.endpoint import Answer, Endpoint
from apps.api.request import Caller, ClientSession, Request
from apps.rooms import answer_values, asked, drafts_series
from apps.rooms.drafts_series import Occurrence
from apps.rooms.endpoints.answer_schemas import CHANGED_SERIES, RESERVED, SERIES
from apps.rooms.endpoints.base import CANCEL_CONFLICTS, IF_NEW, MOVE_CONFLICTS, OWN, TAKEN, Handlers, slots_asked
from apps.rooms.outcomes import refusal
from apps.rooms.pages import (
    Series,
    decode_reservation,
    decode_series,
    is_final,
    owner_of,
    remembered_as,
    reservation_page,
)
from apps.rooms.policies import too_many
from apps.rooms.schema import SeriesBody, SeriesCancelQuery, SeriesChangeBody, SeriesExtendBody, SeriesQuery
from bayou.application import Accepted, PageViews, had_no_effect
from bayou.errors import Conflict, Unknown
from bayou.write import Draft


def _date(occurrence: Mapping[str, Any]) -> str:
    return str(occurrence["date"])


def _outcomes(draft: Draft, accepted: Accepted) -> dict[str, str]:
    """Return {date: outcome} for the occurrences that a write about a series makes or changes."""
    return dict(zip(map(_date, draft.args["occurrences"]), accepted.detail.split("\t"), strict=True))


def _has_no_slot(outcome: str) -> bool:
    return outcome == "rejected no_alternative" or outcome.startswith("unmoved")


class SeriesHandlers(Handlers):
    """The base class of handlers that make or change a series."""

    def series_shown(self, identifier: str, views: PageViews, session: ClientSession) -> Answer | None:
        """Return the answer {"series": SERIES} for a page; None if the page holds no series."""
        series = decode_series(views.tentative)
        if series is None:
            return None
        shown = [
            answer_values.reservation(own, views, self.zone)
            for _, own, views in self._occurrences(identifier, series, session)
            if decode_reservation(views.tentative)
        ]
        return {"series": answer_values.series(identifier, series, [one for one in shown if one])}

    def reserve_series(
        self, draft: Draft, identifier: str, session: ClientSession, wanted: asked.Asked
    ) -> tuple[Answer, int]:
        """Submit a draft that reserves a series, and return the answer and its status."""
        accepted = self.submitted_series(draft, identifier, session, wanted)
        recorded = accepted.pages.get(reservation_page(identifier)) if accepted else None
        return self.reserved(identifier, recorded, session)

    def reserved(self, identifier: str, recorded: PageViews | None, session: ClientSession) -> tuple[Answer, int]:
        """Return the answer to a request that reserves, and the status of the answer. `recorded` is the page after the
        write; None if the request had already been accepted. The answer shows the series or the reservation of the
        page."""
        views = recorded or self.views_of(identifier, session)
        answer = self.series_shown(identifier, views, session) or self.shown(identifier, views)
        return answer, 201 if recorded else 200

    def require_series(self, identifier: str, session: ClientSession) -> Series:
        """Return the series with this id. Raise Unknown if there is no such series."""
        series = decode_series(self.views_of(identifier, session).tentative)
        if series is None:
            raise Unknown(
                "series_unknown",
                f"There is no series {identifier} at this replica. Check the id. If the series was made at another"
                " replica, try again later: writes need some time to arrive.",
                series=identifier,
            )
        return series

    def not_cancelled(
        self, identifier: str, series: Series, first: str | None, caller: Caller, session: ClientSession
    ) -> list[Occurrence]:
        """Return the occurrences that are not cancelled. If the date `first` is given, leave out the occurrences before
        this date. Raise Conflict if all these occurrences are cancelled.

        If the caller owns the series, also leave out the occurrences that were handed over to another user. Raise
        Forbidden if the caller then has no occurrence.
        """
        found = drafts_series.not_cancelled(self._occurrences(identifier, series, session), first)
        if not found:
            since = f" from {first} on" if first else ""
            raise Conflict(
                "cancelled",
                f"All occurrences of {identifier}{since} have been cancelled. Add other occurrences, or make a new"
                " series.",
                series=identifier,
            )
        if caller.name != owner_of(identifier, series):
            return found
        owners = {one.id: owner_of(one.id, one.reservation) for one in found}
        if caller.name not in owners.values():
            raise refusal("forbidden", found[0].id, owners[found[0].id])
        return [one for one in found if owners[one.id] == caller.name]

    def submitted_series(
        self, draft: Draft, identifier: str, session: ClientSession, wanted: asked.Asked
    ) -> Accepted | None:
        """Submit a draft about a series, and return what the write did. Return None if the same request had already
        been accepted. Raise Conflict if an earlier request with the same id differs from `wanted`. Raise a Refusal if
        the draft is refused."""
        accepted = self.service.submit(draft, session, [reservation_page(identifier)])
        if accepted.status in TAKEN:
            self.require_same(wanted, identifier, draft, session)
            return None
        if accepted.logged:
            return accepted
        if not accepted.detail:
            raise self.refused(accepted.status, identifier, session)
        outcomes = _outcomes(draft, accepted)
        failed = {day for day, outcome in outcomes.items() if _has_no_slot(outcome)}
        if failed:
            raise self._nothing_free(draft, identifier, failed, session)
        if any(outcome.endswith("open_reservations") for outcome in outcomes.values()):
            raise too_many(draft.args["limit"]["open"], draft.args.get("owner", draft.user))
        # An occurrence is `kept` only because another one could not move. So an outcome other than `kept` says why.
        others = [outcome for outcome in outcomes.values() if not outcome.startswith("kept")]
        raise self.refused(others[0] if others else accepted.status, identifier, session)

    def _nothing_free(self, draft: Draft, identifier: str, failed: Set[str], session: ClientSession) -> Conflict:
        occurrences = draft.args["occurrences"]
        slots = [slot for one in occurrences if _date(one) in failed for slot in slots_asked({**draft.args, **one})]
        taken = self.taken(slots, {f"{identifier}~{_date(one)}" for one in occurrences}, session)
        others = " With `occurrences: best_effort`, only the other occurrences get their slots."
        return Conflict(
            "slot_taken",
            f"Nothing was recorded, because {len(failed)} of {len(occurrences)} occurrences found no free slot."
            f"{self.holders_text(taken)} Choose other times or another room."
            f"{others if len(failed) < len(occurrences) else ''}",
            taken=[answer_values.taken(entry, self.zone) for entry in taken],
            occurrences=sorted(failed),
        )

    def _occurrences(self, identifier: str, series: Series, session: ClientSession) -> list[tuple[str, str, PageViews]]:
        """Return (date, id, page) of each occurrence of a series. All pages are read at the same moment."""
        occurrences = series.occurrences(identifier)
        pages = self.service.read([reservation_page(own) for own in occurrences.values()], session).pages
        return [(day, own, pages[reservation_page(own)]) for day, own in occurrences.items()]


class AllSeries(SeriesHandlers):
    def endpoints(self) -> list[Endpoint]:
        series = partial(Endpoint, path="/series/{user}/{name}", answers={200: SERIES}, parameters=OWN)
        unknown = ("series_unknown", "reservation_unknown")
        cannot_move = {403: ("not_owner",), 404: (*unknown, "room_unknown", "person_unknown"), 409: MOVE_CONFLICTS}
        cannot_cancel = {403: ("not_owner",), 404: unknown, 409: CANCEL_CONFLICTS}
        return [
            Endpoint(
                "POST",
                "/series",
                self.reserve_listed,
                {200: RESERVED, 201: RESERVED},
                errors={404: ("room_unknown", "person_unknown"), 409: ("slot_taken", "policy", "request_differs")},
            ),
            series("GET", handler=self.show_series, errors={404: ("series_unknown",)}),
            series("PATCH", handler=self.move_series, answers={200: CHANGED_SERIES}, errors=cannot_move),
            Endpoint(
                "POST", "/series/{user}/{name}/occurrences", self.extend_series, {200: CHANGED_SERIES}, OWN, cannot_move
            ),
            series("DELETE", handler=self.cancel_series, errors=cannot_cancel),
        ]

    def reserve_listed(self, request: Request[None, SeriesBody]) -> tuple[Answer, int]:
        """Reserve a series from a list of occurrences. Status 200 means that the same request had already been
        accepted."""
        body, session = request.body, request.session
        context = self.context(request.caller, body.request, body.timezone)
        if not body.new_room:
            for room in dict.fromkeys([body.room, *(one.room for one in body.times)]):
                self.require_rooms(room, body.merge, IF_NEW, session)
        self.require_owner(body.owner, request.caller, session)
        identifier = f"{context.user}/{context.request}"
        draft = drafts_series.reserve_listed(context, body)
        return self.reserve_series(draft, identifier, session, asked.by_reserve(draft, body.merge))

    def show_series(self, request: Request[None, None], user: str, name: str) -> Answer:
        """Show a series."""
        identifier = f"{user}/{name}"
        self.require_series(identifier, request.session)
        return self._answer(identifier, request.session)

    def move_series(self, request: Request[SeriesQuery, SeriesChangeBody], user: str, name: str) -> Answer:
        """Move the occurrences of a series, or give them another purpose or owner. With the date `from`, the request
        changes only the occurrences on and after this date. An occurrence that finds no free slot stays where it is.
        `unmoved` lists the dates on which the request had no effect. `unmoved` is null if the same request had already
        been accepted."""
        identifier, body, session = f"{user}/{name}", request.body, request.session
        remedy = (
            "A series cannot move to a room that does not exist yet. For such a room, make another series with"
            " `new_room: true`."
        )
        self.require_rooms(body.room, body.merge, remedy, session)
        self.require_owner(body.owner, request.caller, session)
        series = self.require_series(identifier, session)
        context = self.context(request.caller, body.request, body.timezone)
        op, unmoved = "edit_series" if body.slots is None else "move_series", None
        wanted = asked.by_change(op, body, request.query.first)
        if remembered_as(identifier, context.user, context.request) in series.requests:
            self.require_same(wanted, identifier, context, session)
        else:
            occurrences = self.not_cancelled(identifier, series, request.query.first, request.caller, session)
            if body.slots is not None:
                draft = drafts_series.move(context, identifier, occurrences, body)
            else:
                before = owner_of(identifier, series)
                draft = drafts_series.edit(context, identifier, before, occurrences, body.purpose, body.owner)
            if accepted := self.submitted_series(draft, identifier, session, wanted):
                outcomes = sorted(_outcomes(draft, accepted).items())
                unmoved = [day for day, outcome in outcomes if had_no_effect(outcome)]
        return {**self._answer(identifier, session), "unmoved": unmoved}

    def extend_series(self, request: Request[None, SeriesExtendBody], user: str, name: str) -> Answer:
        """Add occurrences to a series. The request gives `dates`, or a new last date (`until`) for the rule of the
        series. An occurrence that was left out, cancelled or rejected can be added again. A new occurrence is like the
        occurrence before it. `unmoved` lists the dates that got no slot."""
        identifier, body, session = f"{user}/{name}", request.body, request.session
        self.require_rooms(
            None,
            body.merge,
            "A request for more occurrences must name a room that exists. GET /rooms lists all rooms.",
            session,
        )
        series, unmoved = self.require_series(identifier, session), None
        context = self.context(request.caller, body.request, series.zone if series.zone != self.zone.key else None)
        wanted = {"op": "extend_series", "merge": body.merge.name, "occurrences": body.occurrences}
        if remembered_as(identifier, context.user, context.request) in series.requests:
            self.require_same(wanted, identifier, context, session)
        else:
            known = {
                day: (held, is_final(views))
                for day, _, views in self._occurrences(identifier, series, session)
                if (held := decode_reservation(views.tentative))
            }
            draft = drafts_series.extend(context, identifier, series, known, body)
            if accepted := self.submitted_series(draft, identifier, session, wanted):
                unmoved = [day for day, outcome in _outcomes(draft, accepted).items() if had_no_effect(outcome)]
        return {**self._answer(identifier, session), "unmoved": unmoved}

    def cancel_series(self, request: Request[SeriesCancelQuery, None], user: str, name: str) -> Answer:
        """Cancel the occurrences of a series. With the date `from`, the request cancels only the occurrences on and
        after this date."""
        identifier, query, session = f"{user}/{name}", request.query, request.session
        series, context = self.require_series(identifier, session), self.context(request.caller, query.request)
        wanted = asked.by_cancel("cancel_series", query.reason, query.first)
        if remembered_as(identifier, context.user, context.request) in series.requests:
            self.require_same(wanted, identifier, context, session)
        else:
            occurrences = self.not_cancelled(identifier, series, query.first, request.caller, session)
            draft = drafts_series.cancel(context, identifier, owner_of(identifier, series), occurrences, query.reason)
            self.submitted_series(draft, identifier, session, wanted)
        return self._answer(identifier, session)

    def _answer(self, identifier: str, session: ClientSession) -> Answer:
        shown = self.series_shown(identifier, self.views_of(identifier, session), session)
        assert shown is not None, "a series stays one"
        return shown
