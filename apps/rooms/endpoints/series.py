"""The endpoints of a series, and what reserving one needs: one write, and what came of each occurrence."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from typing import Any

from apps.api.endpoint import Answer, Endpoint
from apps.api.request import ClientSession, Request
from apps.rooms import drafts_series, view
from apps.rooms.drafts_series import Member
from apps.rooms.endpoints.answers import SERIES
from apps.rooms.endpoints.base import CANCEL_CONFLICTS, MOVE_CONFLICTS, OWN, Handlers, places_asked
from apps.rooms.outcomes import refusal
from apps.rooms.pages import Series, decode_reservation, decode_series, reservation_page
from apps.rooms.policies import too_many
from apps.rooms.schema import SeriesCancelQuery, SeriesMoveBody, SeriesQuery
from bayou.application import PageViews
from bayou.errors import Conflict, Unknown
from bayou.write import Draft


def _date(occurrence: Mapping[str, Any]) -> str:
    return str(occurrence["date"])


def _has_no_place(outcome: str) -> bool:
    return outcome == "rejected no_alternative" or outcome.startswith("unmoved")


class SeriesHandlers(Handlers):
    """Base of what makes or changes a series."""

    def series_shown(self, identifier: str, views: PageViews, session: ClientSession) -> Answer | None:
        """{"series": SERIES}, or None where the id, whose page this is, is not that of a series."""
        series = decode_series(views.tentative)
        if series is None:
            return None
        shown = [
            view.reservation(member, views, self.zone)
            for _, member, views in self._occurrences(identifier, series, session)
            if decode_reservation(views.tentative)
        ]
        return {"series": view.series(identifier, series, [one for one in shown if one])}

    def require_series(self, identifier: str, session: ClientSession) -> Series:
        """Raises Unknown."""
        series = decode_series(self.views_of(identifier, session).tentative)
        if series is None:
            raise Unknown(
                "series_unknown",
                f"There is no series {identifier} here. Check the id; made at another replica, it may not have come"
                " this far yet.",
                series=identifier,
            )
        return series

    def members(self, identifier: str, series: Series, first: str | None, session: ClientSession) -> list[Member]:
        """The occurrences from this date on that are not cancelled; raises Conflict when there is none."""
        found = drafts_series.standing_members(self._occurrences(identifier, series, session), first)
        if not found:
            since = f" from {first} on" if first else ""
            raise Conflict("cancelled", f"No occurrence of {identifier}{since} stands any more.", series=identifier)
        return found

    def submitted_series(self, draft: Draft, identifier: str, session: ClientSession) -> PageViews | None:
        """As `submitted`, of a write about a series, whose page it is."""
        page = reservation_page(identifier)
        accepted = self.service.submit(draft, session, [page])
        if accepted.logged or accepted.status == "duplicate":
            return accepted.pages.get(page)
        if not accepted.detail:
            raise refusal(accepted.status, identifier)
        told = dict(zip(map(_date, draft.args["occurrences"]), accepted.detail.split("\t"), strict=True))
        failed = {day for day, outcome in told.items() if _has_no_place(outcome)}
        if failed:
            raise self._nothing_free(draft, identifier, failed, session)
        if any(outcome.endswith("open_reservations") for outcome in told.values()):
            raise too_many(draft.args["limit"]["open"], identifier.partition("/")[0])
        # Of the others the first says why, but for one that stays since another could not move.
        others = [outcome for outcome in told.values() if not outcome.startswith("kept")]
        raise refusal(others[0] if others else accepted.status, identifier)

    def _nothing_free(self, draft: Draft, identifier: str, failed: Set[str], session: ClientSession) -> Conflict:
        occurrences = draft.args["occurrences"]
        asked = [place for one in occurrences if _date(one) in failed for place in places_asked({**draft.args, **one})]
        own = {f"{identifier}~{_date(one)}" for one in occurrences}
        return Conflict(
            "slot_taken",
            f"Of {len(occurrences)} occurrences, {len(failed)} found nothing free. Ask for other times or another room,"
            " leave their dates out, or take what is free with occurrences: best_effort; nothing was recorded.",
            taken=self.taken(asked, own, session),
            occurrences=sorted(failed),
        )

    def _occurrences(self, identifier: str, series: Series, session: ClientSession) -> list[tuple[str, str, PageViews]]:
        """(date, id, page) of each, of one moment."""
        occurrences = series.occurrences(identifier)
        pages = self.service.read([reservation_page(member) for member in occurrences.values()], session).pages
        return [(day, member, pages[reservation_page(member)]) for day, member in occurrences.items()]


class AllSeries(SeriesHandlers):
    def endpoints(self) -> list[Endpoint]:
        series = partial(Endpoint, path="/series/{user}/{name}", answers={200: SERIES}, parameters=OWN)
        unknown = ("series_unknown",)
        some_unknown = (*unknown, "reservation_unknown")
        return [
            series("GET", handler=self.show_series, errors={404: unknown}),
            series(
                "PATCH",
                handler=self.move_series,
                errors={403: ("not_owner",), 404: (*some_unknown, "room_unknown"), 409: MOVE_CONFLICTS},
            ),
            series(
                "DELETE",
                handler=self.cancel_series,
                errors={403: ("not_owner",), 404: some_unknown, 409: CANCEL_CONFLICTS},
            ),
        ]

    def show_series(self, request: Request[None, None], user: str, name: str) -> Answer:
        """Show a series."""
        identifier = f"{user}/{name}"
        self.require_series(identifier, request.session)
        return self._answer(identifier, request.session)

    def move_series(self, request: Request[SeriesQuery, SeriesMoveBody], user: str, name: str) -> Answer:
        """Move the occurrences from some date on that stand; where nothing is free one stays where it is."""
        identifier, body, session = f"{user}/{name}", request.body, request.session
        remedy = "A new room begins with a new reservation, not with a move."
        self.require_rooms(body.room, body.merge, remedy, session)
        series, context = self.require_series(identifier, session), self.context(request.caller, body.request)
        if context.request not in series.requests:
            members = self.members(identifier, series, request.query.first, session)
            self.submitted_series(drafts_series.move(context, identifier, members, body), identifier, session)
        return self._answer(identifier, session)

    def cancel_series(self, request: Request[SeriesCancelQuery, None], user: str, name: str) -> Answer:
        """Cancel the occurrences from some date on that stand."""
        identifier, query, session = f"{user}/{name}", request.query, request.session
        series, context = self.require_series(identifier, session), self.context(request.caller, query.request)
        if context.request not in series.requests:
            members = self.members(identifier, series, query.first, session)
            draft = drafts_series.cancel(context, identifier, members, query.reason)
            self.submitted_series(draft, identifier, session)
        return self._answer(identifier, session)

    def _answer(self, identifier: str, session: ClientSession) -> Answer:
        shown = self.series_shown(identifier, self.views_of(identifier, session), session)
        assert shown is not None, "a series never ceases to be one"
        return shown
