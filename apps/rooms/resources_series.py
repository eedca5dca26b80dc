"""The REST resource of a series, and what reserving one needs: one write, and what came of each occurrence."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from flask import request

from apps.rooms import drafts_series, view
from apps.rooms.drafts import Asking
from apps.rooms.drafts_series import Member
from apps.rooms.outcomes import refusal
from apps.rooms.pages import Series, decode_reservation, decode_series, reservation_page
from apps.rooms.policies import too_many
from apps.rooms.resource import Answer, RoomsResource, places_asked
from apps.rooms.schema import ReserveBody, SeriesCancelQuery, SeriesMoveBody, SeriesQuery, read_body, read_query
from bayou.application import PageViews
from bayou.errors import Conflict, Unknown
from bayou.write import Draft


def _date(occurrence: Mapping[str, Any]) -> str:
    return str(occurrence["date"])


def _has_no_place(outcome: str) -> bool:
    return outcome == "rejected no_alternative" or outcome.startswith("unmoved")


class SeriesResource(RoomsResource):
    """Base of what makes or changes a series."""

    def series_shown(self, identifier: str, views: PageViews) -> Answer | None:
        """{"series": SERIES}, or None where the id, whose page this is, is not that of a series."""
        series = decode_series(views.tentative)
        if series is None:
            return None
        shown = [
            view.reservation(member, views, self.zone)
            for _, member, views in self._occurrences(identifier, series)
            if decode_reservation(views.tentative)
        ]
        return {"series": view.series(identifier, series, [one for one in shown if one])}

    def require_series(self, identifier: str) -> Series:
        """Raises Unknown."""
        series = decode_series(self.views_of(identifier).tentative)
        if series is None:
            raise Unknown(
                "series_unknown",
                f"There is no series {identifier} here. Check the id; made at another replica, it may not have come"
                " this far yet.",
                series=identifier,
            )
        return series

    def members(self, identifier: str, series: Series, first: str | None) -> list[Member]:
        """The occurrences from this date on that are not cancelled; raises Conflict when there is none."""
        found = drafts_series.standing_members(self._occurrences(identifier, series), first)
        if not found:
            since = f" from {first} on" if first else ""
            raise Conflict("cancelled", f"No occurrence of {identifier}{since} stands any more.", series=identifier)
        return found

    def reserved(self, asking: Asking, body: ReserveBody) -> PageViews | None:
        """Reserves a series: as `submitted`."""
        return self.submitted_series(drafts_series.reserve(asking, body), f"{asking.user}/{asking.request}")

    def submitted_series(self, draft: Draft, identifier: str) -> PageViews | None:
        """As `submitted`, of a write about a series, whose page it is."""
        page = reservation_page(identifier)
        accepted = self.service.submit(draft, [page])
        if accepted.logged or accepted.status == "duplicate":
            return accepted.pages.get(page)
        if not accepted.detail:
            raise refusal(accepted.status, identifier)
        told = dict(zip(map(_date, draft.args["occurrences"]), accepted.detail.split("\t"), strict=True))
        failed = {day for day, outcome in told.items() if _has_no_place(outcome)}
        if failed:
            raise self._nothing_free(draft, identifier, failed)
        if any(outcome.endswith("open_reservations") for outcome in told.values()):
            raise too_many(draft.args["limit"]["open"], identifier.partition("/")[0])
        # Of the others the first says why, but for one that stays since another could not move.
        others = [outcome for outcome in told.values() if not outcome.startswith("kept")]
        raise refusal(others[0] if others else accepted.status, identifier)

    def _nothing_free(self, draft: Draft, identifier: str, failed: Set[str]) -> Conflict:
        occurrences = draft.args["occurrences"]
        asked = [place for one in occurrences if _date(one) in failed for place in places_asked({**draft.args, **one})]
        own = {f"{identifier}~{_date(one)}" for one in occurrences}
        return Conflict(
            "slot_taken",
            f"Of {len(occurrences)} occurrences, {len(failed)} found nothing free. Ask for other times or another room,"
            " leave their dates out, or take what is free with occurrences: best_effort; nothing was recorded.",
            taken=self.taken(asked, own),
            occurrences=sorted(failed),
        )

    def _occurrences(self, identifier: str, series: Series) -> list[tuple[str, str, PageViews]]:
        """(date, id, page) of each, of one moment."""
        occurrences = series.occurrences(identifier)
        pages = self.service.read([reservation_page(member) for member in occurrences.values()]).pages
        return [(day, member, pages[reservation_page(member)]) for day, member in occurrences.items()]


class OneSeries(SeriesResource):
    def get(self, user: str, name: str) -> Answer:
        self.require_series(f"{user}/{name}")
        return self._answer(f"{user}/{name}")

    def patch(self, user: str, name: str) -> Answer:
        body = read_body(SeriesMoveBody, request.get_data())
        query = read_query(SeriesQuery, request.args.to_dict())
        asking, identifier = self.asking(body.request), f"{user}/{name}"
        self.require_rooms(body.room, body.merge, "A new room begins with a new reservation, not with a move.")
        series = self.require_series(identifier)
        if asking.request not in series.requests:
            members = self.members(identifier, series, query.first)
            self.submitted_series(drafts_series.move(asking, identifier, members, body), identifier)
        return self._answer(identifier)

    def delete(self, user: str, name: str) -> Answer:
        query = read_query(SeriesCancelQuery, request.args.to_dict())
        asking, identifier = self.asking(query.request), f"{user}/{name}"
        series = self.require_series(identifier)
        if asking.request not in series.requests:
            members = self.members(identifier, series, query.first)
            self.submitted_series(drafts_series.cancel(asking, identifier, members, query.reason), identifier)
        return self._answer(identifier)

    def _answer(self, identifier: str) -> Answer:
        shown = self.series_shown(identifier, self.views_of(identifier))
        assert shown is not None, "a series never ceases to be one"
        return shown
