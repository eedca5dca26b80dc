"""The operations of the replica itself, for GET /openapi.json: for screens, operators and the class."""

from __future__ import annotations

from apps.api.endpoint import ANYTHING, COUNT, FLAG, NUMBER, TEXT, VECTOR, Operation, listed, maybe, one_of, record

PRIMARY = record(id=maybe(TEXT), label=maybe(TEXT), here=FLAG)
EPOCH = maybe(record(number=COUNT, promoter=TEXT))
PEER = {"type": "object", "properties": {"label": TEXT, "link": one_of("up", "cut")}, "required": ["label", "link"]}
REPLICA = record(
    id=TEXT,
    label=TEXT,
    cluster=TEXT,
    birth=maybe(TEXT),
    primary=PRIMARY,
    epoch=EPOCH,
    history=listed(ANYTHING),
    retired=FLAG,
    members=listed(record(id=maybe(TEXT), label=TEXT, rest=TEXT, anti_entropy=TEXT)),
    csn=COUNT,
    osn=COUNT,
    tentative=COUNT,
    committed=COUNT,
    vectors=record(V=VECTOR, C=VECTOR, O=VECTOR),
    timezone=TEXT,
    peers=listed(PEER),
)
WRITE = record(
    id=TEXT,
    csn=maybe(COUNT),
    state=one_of("tentative", "committed"),
    app=TEXT,
    op=TEXT,
    user=TEXT,
    request=TEXT,
    origin=TEXT,
    outcome=TEXT,
    accepted_at=TEXT,
    describe=ANYTHING,
)
AUTH = one_of("none", "tokens")
LOGIN = record(auth=AUTH, user=maybe(TEXT), role=maybe(one_of("user", "manager", "guest")))
TAKEN = record({"from": TEXT}, received=COUNT, rolled_back=COUNT, replayed=COUNT, full_state=FLAG)
AGAIN = ("no_primary", "is_primary", "not_primary", "retired", "pending", "busy", "link_cut", "moved_on")
OTHER = ("other_protocol", "other_applications", "other_cluster", "other_birth")
UNKNOWN = ("peer_unknown",)
AWAY = ("peer_unreachable",)

OPERATIONS = (
    Operation("GET", "/", "The calendar page; for a program, what paths there are.", {200: None}),
    Operation("GET", "/cluster", "The cluster page; for a program, the replicas.", {200: None}),
    Operation("GET", "/static/{name}", "A file that the pages are made of.", {200: None}),
    Operation("GET", "/metrics", "How it does, in the text format of Prometheus.", {200: None}),
    Operation("GET", "/login", "Who one is.", {200: LOGIN}),
    Operation("PUT", "/login", "For pages: keep a token in a cookie.", {200: LOGIN}, body=record(token=TEXT)),
    Operation("DELETE", "/login", "For pages: forget it.", {200: record(auth=AUTH, user={"type": "null"})}),
    Operation("GET", "/openapi.json", "This description.", {200: ANYTHING}),
    Operation("GET", "/replica", "What this replica is and holds.", {200: REPLICA}),
    Operation(
        "GET",
        "/replica/digest",
        "Hashes of all pages: equal on equal replicas.",
        {200: record(committed=TEXT, tentative=TEXT, csn=COUNT, vector=VECTOR)},
    ),
    Operation(
        "GET",
        "/replica/log",
        "The log: committed writes by CSN, then tentative ones.",
        {200: record(writes=listed(WRITE), next=maybe(TEXT))},
        query={
            "type": "object",
            "properties": {"after": TEXT, "limit": {"type": "integer", "minimum": 1, "maximum": 1000}},
        },
        errors={404: ("write_unknown",)},
    ),
    Operation(
        "POST",
        "/replica/sync/{peer}",
        "Run one session with a peer to its end.",
        {200: record(peer=TEXT, sent=COUNT, received=COUNT, seconds=NUMBER)},
        errors={404: UNKNOWN, 409: ("link_cut",), 429: ("too_many_waiting",), 503: AWAY},
    ),
    Operation(
        "PUT",
        "/replica/links/{peer}",
        "Cut or heal a link.",
        {200: record(peer=TEXT, up=FLAG)},
        body=record(up=FLAG),
        errors={404: UNKNOWN},
    ),
    Operation(
        "POST",
        "/replica/commit",
        "At the primary: commit what is tentative.",
        {200: record(committed=COUNT)},
        errors={409: ("not_primary",)},
    ),
    Operation(
        "POST",
        "/replica/truncate",
        "Drop committed writes from the log but the newest `keep`.",
        {200: record(dropped=COUNT)},
        body=record(keep=COUNT),
    ),
    Operation(
        "POST",
        "/replica/retire",
        "Take no more writes, and leave once another replica has this one's.",
        {200: record(retired=FLAG, write=TEXT, held_by=maybe(TEXT))},
        body=record({"hand_over_to": TEXT}),
        body_is_needed=False,
        errors={404: UNKNOWN, 409: (*AGAIN, *OTHER), 503: AWAY},
    ),
    Operation(
        "POST",
        "/replica/promote",
        "Make this replica the primary, or the one that the primary is to hand over to.",
        {200: record(primary=PRIMARY, epoch=EPOCH)},
        body=record({"force": FLAG, "to": TEXT}),
        body_is_needed=False,
        errors={404: UNKNOWN, 409: (*AGAIN, *OTHER), 503: AWAY},
    ),
    Operation(
        "GET",
        "/replica/export",
        "The writes that another replica lacks, as a file.",
        {200: None},
        query={"type": "object", "properties": {"csn": COUNT, "v": TEXT, "volume": COUNT}},
    ),
    Operation(
        "POST",
        "/replica/import",
        "Take such a file (application/octet-stream).",
        {200: TAKEN},
        errors={
            400: ("export_damaged",),
            409: (
                "busy",
                "export_own",
                "export_stale",
                "export_needs_full_state",
                "export_does_not_fit",
                "tail_lost",
                *OTHER,
            ),
        },
    ),
    Operation(
        "GET",
        "/events",
        "What happens here, as server-sent events; Last-Event-ID resumes.",
        {200: None},
        query={"type": "object", "properties": {"after": TEXT}},
        errors={429: ("too_many_streams",)},
    ),
)
