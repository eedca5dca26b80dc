"""Anti-entropy by file (transportable media; Petersen 1997, section 3.4): the writes that another replica lacks, as a
file.

GET  /replica/export?csn=N&v=JSON    for a replica that holds the commits up to N and the vector; without, everything;
                    &volume=BYTES    in volumes of this size, about
POST /replica/import                 takes such a file; what came before a damage stays taken, as after a cut link

It knows the frames of a file (bayou/export.py), the bytes (replica/http/export_file.py) and HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from flask import Response, request
from flask_restful import Resource

from bayou.anti_entropy import Report
from bayou.errors import BadInput, Conflict, RefusalCode, TooLarge
from bayou.export import Head, Importer, export_volumes
from bayou.stamps import STAMP_MAX
from replica.http import export_file
from replica.http.parts import Parts

MEDIA_TYPE = "application/octet-stream"
VOLUME_BYTES_MAX = 64 * 1024 * 1024
IMPORT_BYTES_MAX = 256 * 1024 * 1024
VECTOR_BYTES_MAX = 64 * 1024
CSN_MAX = 2**53


def register(api: Any, parts: Parts) -> None:
    """Add the resources to a flask_restful.Api."""
    api.add_resource(Export, "/replica/export", resource_class_kwargs={"parts": parts})
    api.add_resource(Import, "/replica/import", resource_class_kwargs={"parts": parts})


class _ExportResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tags = tuple(application.tag for application in parts.applications)


class Export(_ExportResource):
    def get(self) -> Response:
        for name in request.args:
            if name not in {"csn", "v", "volume"}:
                raise BadInput("bad_input", f"There is no {name} here; there are csn, v and volume.", field=name)
        since_csn, since = _csn(request.args.get("csn", "0")), _vector(request.args.get("v", "{}"))
        volume_bytes = _volume(request.args.get("volume", str(VOLUME_BYTES_MAX)))
        frames = export_volumes(self._parts.store, self._tags, since_csn, since, volume_bytes)
        name = f"{self._parts.label}.bayou"
        return Response(
            _begun(export_file.write(frames)),
            content_type=MEDIA_TYPE,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class Import(_ExportResource):
    def post(self) -> dict[str, Any]:
        request.max_content_length = IMPORT_BYTES_MAX
        if (request.content_length or 0) > IMPORT_BYTES_MAX:
            raise TooLarge(
                "too_large", f"A file may have at most {IMPORT_BYTES_MAX} bytes.", bytes_max=IMPORT_BYTES_MAX
            )
        reports: list[Report] = []
        importer: Importer | None = None
        try:
            for frame in export_file.read(cast(BinaryIO, request.stream)):
                if isinstance(frame, Head):
                    importer = self._opened(frame)
                    reports.append(importer.report)
                elif importer is not None:
                    importer.take(frame)
        finally:
            self._follow(reports)
        if not reports:
            raise BadInput("export_damaged", "The file is empty. Send one that /replica/export gave.", field="file")
        return {
            "from": reports[-1].peer,
            "received": sum(report.received for report in reports),
            "rolled_back": sum(report.rolled_back for report in reports),
            "replayed": sum(report.replayed for report in reports),
            "full_state": any(report.installed for report in reports),
        }

    def _opened(self, head: Head) -> Importer:
        """The importer of a volume. One that shows that this replica has lost its tail is taken under a new id."""
        importer = Importer(self._parts.store, self._tags)
        try:
            importer.take(head)
        except Conflict as conflict:
            if conflict.code != RefusalCode.TAIL_LOST or self._parts.membership is None:
                raise
            self._parts.membership.after_session(conflict.code, head.hello.vector)
            importer = Importer(self._parts.store, self._tags)
            importer.take(head)
        return importer

    def _follow(self, reports: list[Report]) -> None:
        """What follows from a session follows from a file, too: roles, peers, and passing on."""
        if self._parts.membership is not None:
            self._parts.membership.after_import()
        if any(report.received or report.installed for report in reports):
            self._parts.peers.poke()


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first of them made already: what goes wrong at once is still answered as an error."""
    first = next(chunks, b"")

    def all_chunks() -> Iterator[bytes]:
        yield first
        yield from chunks

    return all_chunks()


def _csn(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= CSN_MAX):
        raise BadInput("bad_input", "csn is the CSN of the last commit that the other replica holds.", field="csn")
    return int(text)


def _volume(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= VOLUME_BYTES_MAX):
        raise BadInput("bad_input", f"volume is a number of bytes up to {VOLUME_BYTES_MAX}.", field="volume")
    return int(text)


def _vector(text: str) -> dict[str, int]:
    """Of {"SERVER": "STAMP", ...} as GET /replica shows V."""
    try:
        found = json.loads(text) if len(text) <= VECTOR_BYTES_MAX else None
        vector = {server: int(stamp) for server, stamp in found.items()} if isinstance(found, dict) else None
    except (ValueError, TypeError, RecursionError):
        vector = None
    if vector is None or not all(0 <= stamp <= STAMP_MAX for stamp in vector.values()):
        raise BadInput("bad_input", "v is the vector V of the other replica, as its GET /replica shows it.", field="v")
    return vector
