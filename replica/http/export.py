"""Anti-entropy by file (transportable media; Petersen 1997, section 3.4): a file with the writes that another replica
lacks.

GET  /replica/export?csn=N&v=JSON    the writes for a replica that holds the commits up to N and has the vector v;
                                     without these parameters, all writes
                    &volume=BYTES    the same writes in volumes of about this size
POST /replica/import                 imports the writes of such a file; if the file is damaged, it imports only the
                                     writes before the damage

bayou/export.py defines the frames of a file. replica/http/export_file.py defines how frames become bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, partial
from itertools import chain
from typing import Annotated, BinaryIO, cast

from flask import Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import Count, Model
from apps.api.schema import COUNT, FLAG, TEXT, record
from bayou.anti_entropy import Report
from bayou.errors import BadInput, Conflict, PeerRefusalCode, TooLarge
from bayou.export import ExportFrame, Head, Importer, export_volumes
from bayou.stamps import STAMP_MAX
from replica.clock import microseconds
from replica.http import export_file
from replica.http.admin import OTHER_CLUSTER
from replica.http.parts import Parts
from replica.http.routing import HttpRequest, own_endpoint
from storage.scripts import rules_by_tag

MEDIA_TYPE = "application/octet-stream"
VOLUME_BYTES_MAX = 64 * 1024 * 1024
IMPORT_BYTES_MAX = 256 * 1024 * 1024
VECTOR_BYTES_MAX = 64 * 1024
UNSIGNED = ("commit_not_signed", "state_not_signed", "fork")
CSN_MAX = 2**53


def _vector(text: object) -> dict[str, int]:
    """Return the vector that a text {"SERVER": "STAMP", ...} describes. GET /replica shows vectors in this form."""
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) <= VECTOR_BYTES_MAX else None
        vector = {server: int(stamp) for server, stamp in found.items()} if isinstance(found, dict) else None
    except (ValueError, TypeError, RecursionError):
        vector = None
    if vector is None or not all(0 <= stamp <= STAMP_MAX for stamp in vector.values()):
        raise ValueError("must be the vector V in the answer of the other replica to GET /replica")
    return vector


class ExportQuery(Model):
    csn: Annotated[
        Count, Field(le=CSN_MAX, description="The CSN of the last committed write that the other replica holds.")
    ] = 0
    v: Annotated[
        dict[str, int],
        BeforeValidator(_vector),
        WithJsonSchema(dict(TEXT)),
        Field(default_factory=dict, description="The vector V in the answer of the other replica to GET /replica."),
    ]
    volume: Annotated[
        Count,
        Field(
            ge=1, le=VOLUME_BYTES_MAX, description="The approximate size of each part of the file (a volume), in bytes."
        ),
    ] = VOLUME_BYTES_MAX


def endpoints(parts: Parts) -> list[Endpoint]:
    files = Files(parts)
    taken = record({"from": TEXT}, received=COUNT, rolled_back=COUNT, replayed=COUNT, full_state=FLAG)
    misfits = ("export_own", "export_stale", "export_needs_full_state", "export_revokes", "export_does_not_fit")
    conflicts = ("busy", *misfits, "clock_ahead", "foreign_commit", "tail_lost", *UNSIGNED, *OTHER_CLUSTER)
    errors = {400: ("export_damaged",), 409: conflicts, 500: ("play_hung",)}
    endpoint = partial(own_endpoint, role="manager")
    return [
        endpoint(
            "GET",
            "/replica/export",
            files.export_writes,
            {200: None},
            errors={409: ("state_not_signed",)},
            for_cluster_pages=True,
        ),
        endpoint(
            "POST", "/replica/import", files.import_writes, {200: taken}, errors=errors, body_bytes_max=IMPORT_BYTES_MAX
        ),
    ]


class Files:
    """The handlers of /replica/export and /replica/import."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @cached_property
    def _rules(self) -> dict[str, str]:
        return rules_by_tag(self._parts.applications)

    def export_writes(self, request: HttpRequest[ExportQuery, None]) -> Response:
        """Send a file with the writes that another replica lacks."""
        query = request.query
        frames = export_volumes(self._parts.store, self._rules, query.csn, query.v, query.volume, self._parts.signing)
        return Response(
            _begun(export_file.write(frames)),
            content_type=MEDIA_TYPE,
            headers={"Content-Disposition": f'attachment; filename="{self._parts.label}.bayou"'},
        )

    def import_writes(self, request: HttpRequest[None, None]) -> Answer:
        """Import the writes of an exported file. The file is the body, sent as application/octet-stream."""
        if (request.http.content_length or 0) > IMPORT_BYTES_MAX:
            raise TooLarge(
                "too_large",
                f"The file has more than {IMPORT_BYTES_MAX // 2**20} MiB. Export with `admin export`, which writes each"
                " volume to its own file, and import these files one after another.",
                bytes_max=IMPORT_BYTES_MAX,
            )
        reports: list[Report] = []
        importer: Importer | None = None
        try:
            for frame in export_file.read(cast(BinaryIO, request.http.stream)):
                if isinstance(frame, Head):
                    importer = Importer(self._parts.store, self._rules, self._now_us, self._parts.signing)
                    reports.append(importer.report)
                if importer is not None:
                    self._take(importer, frame)
        finally:
            self._follow(reports)
        if not reports:
            raise BadInput("export_damaged", "The file is empty. Send a file from GET /replica/export.", field="file")
        return {
            "from": reports[-1].peer,
            "received": sum(report.received for report in reports),
            "rolled_back": sum(report.rolled_back for report in reports),
            "replayed": sum(report.replayed for report in reports),
            "full_state": any(report.installed for report in reports),
        }

    def _now_us(self) -> int:
        return microseconds(self._parts.service.now())

    def _take(self, importer: Importer, frame: ExportFrame) -> None:
        """Import a frame. If the frame shows that this replica has lost the tail of its log, take a new id, and import
        the frame again."""
        server = self._parts.store.state().server
        try:
            importer.take(frame)
        except Conflict as conflict:
            if conflict.code != PeerRefusalCode.TAIL_LOST or self._parts.membership is None:
                raise
            self._parts.membership.after_session(Report(importer.report.peer, lost=server))
            importer.take(frame)

    def _follow(self, reports: list[Report]) -> None:
        """Update the membership after an import. If the import has brought something new, notify the peers."""
        if self._parts.membership is not None:
            self._parts.membership.after_import()
        if any(report.received or report.installed for report in reports):
            self._parts.peers.notify_new_write()


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Return the chunks, but make the first chunk now. A refusal then comes before the answer begins, so the client can
    get an error answer."""
    return chain([next(chunks, b"")], chunks)
