"""The REST endpoints of relations and records, and the description of writes for screens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from apps.api.application import REQUEST_TAKEN, why_forbidden
from apps.api.endpoint import Answer, Endpoint
from apps.api.model import ListQuery, RequestQuery, part_of_list
from apps.api.request import ClientSession, Request
from apps.api.schema import TEXT, array, nullable, record
from apps.api.service import Rules, Service, new_draft
from apps.records.outcomes import changes_shown, conflict_of, done_by, noted, obstacles, present_state, relations_of
from apps.records.relation import Relation, base_name_of, definition_page, definitions, split_name
from apps.records.rows import answer, pages_of
from apps.records.schema import (
    CONFLICTS,
    MERGED,
    PRESENT_STATE,
    RELATION,
    ROWS,
    WRITES,
    WRITTEN,
    DefineBody,
    MergedQuery,
    ReadQuery,
    WriteBody,
    WritesQuery,
)
from bayou.application import Accepted, LogEntry, PageViews, had_no_effect
from bayou.errors import BadInput, Conflict, Refusal, TooLarge, Unknown
from bayou.stamps import split_id
from bayou.write import Write

DEFINE = Rules("records/1", check="name_is_free", merge="keep_beside")
DROP = Rules("records/1", check="relation_stands", merge="give_up")
WRITE = Rules("records/1", check="carried", merge="carried")
Json = dict[str, Any]

NAME_MAX = 64
MISSING = {404: ("relation_unknown",)}


def endpoints(service: Service) -> list[Endpoint]:
    records, path = Records(service), "/relations/{relation}"
    named = {"relation": "The name of a relation, or its full name NAME~HASH."}
    managing = partial(Endpoint, role="manager")
    conflict = {**MISSING, 409: ("conflict", "page_full", "request_differs"), 413: ("too_many_records",)}
    return [
        Endpoint(
            "GET", "/relations", records.list_relations, {200: record(relations=array(RELATION), next=nullable(TEXT))}
        ),
        managing(
            "POST",
            "/relations",
            records.define_relation,
            {200: RELATION, 201: RELATION},
            errors={409: ("relation_exists",)},
        ),
        managing("DELETE", path, records.drop_relation, {200: record(relation=TEXT)}, named, MISSING),
        Endpoint("GET", f"{path}/conflicts", records.list_conflicts_of_relation, {200: CONFLICTS}, named, MISSING),
        Endpoint("GET", "/records", records.read_records, {200: ROWS}, errors=MISSING),
        Endpoint("POST", "/records", records.write_records, {200: WRITTEN, 201: WRITTEN}, errors=conflict),
        Endpoint(
            "GET",
            "/writes/{write}",
            records.show_write,
            {200: PRESENT_STATE},
            {"write": "The id of a write, from the answer to POST /records."},
            {404: ("write_unknown", "write_dropped")},
        ),
        Endpoint("GET", "/writes/merged", records.list_merged, {200: MERGED}),
        Endpoint(
            "GET", "/users/{user}/writes", records.list_writes, {200: WRITES}, {"user": "The user who made the writes."}
        ),
    ]


class Records:
    """The handlers of the endpoints of relations and records."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def list_relations(self, request: Request[ListQuery, None]) -> Answer:
        """List the relations in the order of their names."""
        names, following = part_of_list(self._service.list_entries("relations", request.session), request.query)
        pages = self._service.read([definition_page(name) for name in names], request.session).pages
        shown = [
            _shown(relation, views)
            for name in names
            for views in (pages[definition_page(name)],)
            for relation in definitions(name, views.tentative).values()
        ]
        return {"relations": shown, "next": following}

    def define_relation(self, request: Request[None, DefineBody]) -> tuple[Answer, int]:
        """Define a relation. A definition never changes. Status 200 means that the same relation had already been
        defined."""
        body = request.body
        relation = Relation(body.relation, body.attributes, tuple(body.key), tuple(body.page_by))
        try:
            relation.check()
        except ValueError as reason:
            raise BadInput("bad_input", f"The relation cannot be defined: {reason}.", field="relation") from None
        args = {"name": relation.base_name, "hash": relation.hash, "content": relation.content}
        page = definition_page(relation.base_name)
        accepted = self._submit(DEFINE, "define", args, [page], request, body.request)
        if accepted.status == "conflict":
            raise Conflict(
                "relation_exists",
                f"The name {relation.base_name} belongs to a different relation here. Choose another name, or drop that"
                " relation first.",
                relation=accepted.detail.removeprefix("+"),
            )
        views = self._service.read([page], request.session).pages[page]
        return _shown(relation, views), 201 if accepted.logged else 200

    def drop_relation(self, request: Request[RequestQuery, None], relation: str) -> Answer:
        """Drop a relation. Its name becomes free, and its records can no longer be reached."""
        found = self._relation(relation, request.session)
        args, page = {"name": found.base_name, "hash": found.hash}, definition_page(found.base_name)
        accepted = self._submit(DROP, "drop", args, [page], request, request.query.request)
        if not accepted.logged:
            raise _unknown(relation)
        return {"relation": found.name}

    def write_records(self, request: Request[None, WriteBody]) -> tuple[Answer, int]:
        """Write records. The body has an update, a check and a merge procedure. The replica does the update if the
        check succeeds and the update is possible. Otherwise the replica does the first possible step of the merge
        procedure. Status 200 means that the same request had already been accepted."""
        body = request.body
        from apps.records.program import program_of  # noqa: PLC0415  # see sql.py

        program = program_of(body, request.caller.name, lambda name: self._relation(name, request.session))
        accepted = self._submit(WRITE, "write", program.args, program.pages, request, body.request)
        if accepted.status == "differs":
            raise _differs(str(body.request), accepted.detail, self._first(request))
        if not (accepted.logged or accepted.status == "duplicate"):
            raise self._refusal(accepted, request.session)
        identifier, is_final = accepted.id, accepted.committed
        if not accepted.logged:  # a write that the log no longer holds is final
            first = self._first(request)
            identifier, is_final = (first.write.id, first.csn is not None) if first else (None, True)
        changed, step, alternative = done_by(program.args, accepted.outcome)
        written = {
            "write": identifier,
            "state": "committed" if is_final else "tentative",
            "outcome": "merged" if step else "updated",
            "step": step,
            "alternative": alternative,
            "changed": [self._shown_change(change, request.session) for change in changed],
        }
        return written, 201 if accepted.logged else 200

    def read_records(self, request: Request[ReadQuery, None]) -> Answer:
        """Show the records that a query selects. All records are read in one view, at the same moment."""
        wanted, session = request.query, request.session
        from apps.records.sql import Source, check_parameters, read_query  # noqa: PLC0415

        values = {**(wanted.parameters or {}), **({"user": request.caller.name} if request.caller.name else {})}
        source = Source(wanted.query, "query", lambda name: self._relation(name, session), values)
        relation, query = read_query(source, may_list=True)
        check_parameters(wanted.parameters or (), source.used)
        names = list(pages_of(relation, query))
        pages = self._service.read(names, session, wanted.view).pages if names else {}
        rows = answer(relation, query, (_in_view(views, wanted.view) for views in pages.values()))
        return {"view": wanted.view, "relation": relation.name, "rows": rows}

    def show_write(self, request: Request[None, None], write: str) -> Answer:
        """Show the present state of a write of records. For a tentative write, also show which replicas are known to
        hold the write."""
        self._service.read([], request.session)  # in the client's session, as any read
        try:
            split_id(write)
        except ValueError as reason:
            raise BadInput("bad_input", f"{reason}.", field="write") from None
        entry = self._service.log_entry(write)
        if (entry.write.app, entry.write.op) != (WRITE.app, "write"):
            message = f"{write} is not a write of records. GET /replica/log shows the writes of all applications."
            raise Unknown("write_unknown", message, write=write)
        return self._state_of(entry)

    def list_writes(self, request: Request[WritesQuery, None], user: str) -> Answer:
        """List a user's newest writes of records, up to 200. Only the newest 5,000 writes of the log are searched.
        Tentative writes come first, then committed writes. In each group, the newest write comes first."""
        self._service.read([], request.session)
        return {"user": user, "writes": list(map(self._state_of, self._writes_of(user, request.query.request or "")))}

    def list_merged(self, request: Request[MergedQuery, None]) -> Answer:
        """List the merged writes of records, up to 200. A write is merged if a step of its merge procedure was done
        instead of its update. Tentative writes come first, then committed writes. In each group, the newest write comes
        first."""
        self._service.read([], request.session)
        entries = self._service.newest_writes(WRITE.app, user=request.query.user or "", words=["merged"])
        return {"writes": [self._state_of(entry) for entry in entries if entry.outcome.startswith("merged")]}

    def list_conflicts_of_relation(self, request: Request[None, None], relation: str) -> Answer:
        """List the conflicts of a relation: writes that had no effect because of other writes. Tentative writes come
        first, then the newest 100 committed writes. In each group, the newest write comes first."""
        found, known = self._relation(relation, request.session), partial(self._known, session=request.session)
        page = f"conflicts:{found.name}"
        notes = self._service.read([page], request.session).pages[page].notes
        tentative = [
            {"state": "tentative", **conflict_of(entry.write, entry.outcome)}
            for entry in self._service.newest_writes(WRITE.app, words=["conflict"])
            if entry.csn is None and found.name in relations_of(entry.write)
        ]
        committed = [{"state": "committed", **noted(text, known)} for _, text in sorted(notes.items(), reverse=True)]
        return {"conflicts": tentative + committed}

    def _first(self, request: Request[None, WriteBody]) -> LogEntry | None:
        """Return the caller's write that has the id of this request and the status `updated` or `merged`. Return None
        if the log no longer holds this write."""
        found = self._writes_of(request.caller.name, request.body.request or "")
        return next((entry for entry in found if entry.outcome.startswith(("updated", "merged"))), None)

    def _writes_of(self, user: str, request: str) -> Iterator[LogEntry]:
        """Yield a user's newest writes of records. If `request` is not empty, yield only the writes with this request
        id. Duplicates of a request are left out."""
        for entry in self._service.newest_writes(WRITE.app, user=user, request=request):
            if entry.write.op == "write" and not entry.outcome.startswith("duplicate"):
                yield entry

    def _state_of(self, entry: LogEntry) -> Answer:
        held_by = {"held_by": self._service.holders([entry.write.id])} if entry.csn is None else {}
        return present_state(entry) | held_by

    def _submit(
        self, rules: Rules, op: str, args: Any, pages: Sequence[str], request: Request[Any, Any], identifier: str | None
    ) -> Accepted:
        user, now = request.caller.name, self._service.now()
        draft = new_draft(rules, op, args, pages, user=user, at=now, request=identifier)
        return self._service.submit(draft, request.session)

    def _refusal(self, accepted: Accepted, session: ClientSession) -> Refusal:
        """Return the refusal for a valid write that could not be done."""
        if accepted.status == "conflict":
            in_the_way = obstacles(accepted.detail, partial(self._known, session=session))
            return Conflict(
                "conflict",
                "Neither the update nor a step of the merge procedure is possible. Nothing was changed. `in_the_way`"
                " lists the records that are in the way or missing. Change the write to fit these records, then send it"
                " again.",
                in_the_way=in_the_way,
            )
        if accepted.detail == "too_many_records":
            message = (
                "The checks of this write look at more than 20,000 records. Give the write fewer steps, or keep the"
                " records on smaller pages: define a relation with more attributes in `page_by`."
            )
            return TooLarge("too_many_records", message)
        if accepted.detail == "page_full":
            message = (
                "The records of one page would take more than 256 KiB. Delete some of these records, or keep the"
                " records on smaller pages: define a relation with more attributes in `page_by`."
            )
            return Conflict("page_full", message)
        raise RuntimeError(f"a write of records has the unexpected outcome {accepted.outcome}")

    def _known(self, name: str, session: ClientSession) -> Relation | None:
        """Return the relation with this bare or full name; None if this replica does not know the relation."""
        base_name, digest = split_name(name)
        page = definition_page(base_name)
        fields = self._service.read([page], session).pages[page].tentative
        return definitions(base_name, fields).get(digest or fields.get("owner", ""))

    def _relation(self, name: str, session: ClientSession) -> Relation:
        """Return the relation with this bare or full name. Raise Unknown if this replica does not know the relation."""
        relation = self._known(name, session) if len(name) <= NAME_MAX else None
        if relation is None:
            raise _unknown(name)
        return relation

    def _shown_change(self, change: Json, session: ClientSession) -> Json:
        relation = self._relation(change["relation"], session)
        return {**change, "record": relation.shown_record(change["record"])}


def describe(write: Write, outcome: str) -> Answer:
    """Return the description of a write for screens.

    relation    the name of the relation; only given if the write defines or drops a relation
    relations   the names of the relations; only given for a write of records
    result      what the write changed, and which step of its merge procedure did it; None if the write changed nothing
    wanted      the changes that a write of records wanted to make; only given if the write changed nothing
    in_the_way  the records that were in the way or missing; only given together with `wanted`
    why         a sentence that says why an acknowledged write had no effect; None if the write had its effect
    """
    if write.op != "write":
        return {
            "relation": write.args["name"],
            "result": {"relation": write.args["name"]} if outcome == "updated" else None,
            "why": _no_effect(write, outcome, ""),
        }
    relations = ", ".join(sorted(map(base_name_of, write.args["relations"])))
    changed, step, alternative = done_by(write.args, outcome)
    if changed:
        how = f"step {step}" + (f", alternative {alternative}" if alternative else "")
        texts = {"changed": _text_of(changes_shown(write, changed))} | ({"how": f"merged by {how}"} if step else {})
        return {"relations": relations, "result": texts, "why": _no_effect(write, outcome, "")}
    conflict = conflict_of(write, outcome)
    stood = [f"{'missing' if one['is_missing'] else 'in the way'}: {_text_of([one])}" for one in conflict["in_the_way"]]
    return {
        "relations": relations,
        "result": None,
        "wanted": _text_of(conflict["wanted"]),
        "in_the_way": "; ".join(stood),
        "why": _no_effect(write, outcome, "; ".join(stood)),
    }


def _no_effect(write: Write, outcome: str, stood: str) -> str | None:
    """Return a sentence that says why an acknowledged write had no effect; None if the write had its effect."""
    if not had_no_effect(outcome):
        return None
    status, _, detail = outcome.partition(" ")
    because = {
        "conflict": stood or "another relation has the name",
        "differs": REQUEST_TAKEN,
        "unknown": "the relation had been dropped",
        "rejected": detail,
        "forbidden": why_forbidden(detail),
    }
    reason = because.get(status, "the rules of the application had an error")
    return f"{write.user}’s {write.op} ({write.request}) had no effect: {reason}."


def _differs(request: str, detail: str, first: LogEntry | None) -> Conflict:
    """Return the refusal for a write whose request id was used before. `detail` is the detail of the earlier write's
    outcome. `first` is the earlier write; None if the log no longer holds this write."""
    step, _, alternative = detail.partition(".")
    was = f"step {detail} of its merge procedure" if step else "its update"
    earlier = {
        "outcome": "merged" if step else "updated",
        "step": int(step) if step else None,
        "alternative": int(alternative) if alternative else None,
    }
    return Conflict(
        "request_differs",
        f"An earlier write with the request id {request} had different content. The earlier write did {was}. The new"
        " write has changed nothing. Give each write its own request id.",
        request=request,
        earlier=earlier | ({"write": first.write.id, "changed": present_state(first)["changed"]} if first else {}),
    )


def _unknown(name: str) -> Unknown:
    return Unknown(
        "relation_unknown",
        f"There is no relation {name[:NAME_MAX]} at this replica. To list the relations, run `client.py NAME relations`"
        " or send GET /relations. If the relation was defined at another replica, try again later: writes need some"
        " time to arrive.",
    )


def _text_of(records: Iterable[Json]) -> str:
    """Return records as text, such as `insert meetings 6.12 2026-12-01 540 600 vish`. If a record comes with an
    operation, the operation stands first."""
    texts = ((one.get("op", ""), base_name_of(one["relation"]), *map(str, one["record"].values())) for one in records)
    return "; ".join(" ".join(filter(None, words)) for words in texts)


def _shown(relation: Relation, views: PageViews) -> Answer:
    """Return the relation as a JSON value with the schema RELATION (see schema.py). The state of the relation is
    `committed` if its definition and its owner are the same in both views of the page."""
    is_same = all(views.committed.get(name) == views.tentative.get(name) for name in (relation.hash, "owner"))
    return {
        "relation": relation.base_name,
        "name": relation.name,
        "attributes": dict(relation.attributes),
        "key": list(relation.key),
        "page_by": list(relation.page_by),
        "owns_name": views.tentative.get("owner") == relation.hash,
        "state": "committed" if is_same else "tentative",
    }


def _in_view(views: PageViews, view: str) -> Mapping[str, str]:
    return views.committed if view == "committed" else views.tentative
