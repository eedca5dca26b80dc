from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateRequest(_message.Message):
    __slots__ = ("protocol", "cluster", "applications", "label", "rest", "anti_entropy", "request", "invitation")
    class ApplicationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    ANTI_ENTROPY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    cluster: str
    applications: _containers.ScalarMap[str, str]
    label: str
    rest: str
    anti_entropy: str
    request: str
    invitation: str
    def __init__(self, protocol: _Optional[int] = ..., cluster: _Optional[str] = ..., applications: _Optional[_Mapping[str, str]] = ..., label: _Optional[str] = ..., rest: _Optional[str] = ..., anti_entropy: _Optional[str] = ..., request: _Optional[str] = ..., invitation: _Optional[str] = ...) -> None: ...

class CreateReply(_message.Message):
    __slots__ = ("server", "label", "refuse")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    server: str
    label: str
    refuse: Refuse
    def __init__(self, server: _Optional[str] = ..., label: _Optional[str] = ..., refuse: _Optional[_Union[Refuse, _Mapping]] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("protocol", "cluster", "server", "label")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    cluster: str
    server: str
    label: str
    def __init__(self, protocol: _Optional[int] = ..., cluster: _Optional[str] = ..., server: _Optional[str] = ..., label: _Optional[str] = ...) -> None: ...

class PromoteReply(_message.Message):
    __slots__ = ("refuse",)
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    refuse: Refuse
    def __init__(self, refuse: _Optional[_Union[Refuse, _Mapping]] = ...) -> None: ...

class HeldRequest(_message.Message):
    __slots__ = ("protocol", "cluster", "server", "label", "is_probe", "process")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    IS_PROBE_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    cluster: str
    server: str
    label: str
    is_probe: bool
    process: str
    def __init__(self, protocol: _Optional[int] = ..., cluster: _Optional[str] = ..., server: _Optional[str] = ..., label: _Optional[str] = ..., is_probe: _Optional[bool] = ..., process: _Optional[str] = ...) -> None: ...

class HeldReply(_message.Message):
    __slots__ = ("stamp", "server", "runs_elsewhere", "refuse", "csn", "process", "primary", "history")
    STAMP_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    RUNS_ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    stamp: int
    server: str
    runs_elsewhere: bool
    refuse: Refuse
    csn: int
    process: str
    primary: str
    history: str
    def __init__(self, stamp: _Optional[int] = ..., server: _Optional[str] = ..., runs_elsewhere: _Optional[bool] = ..., refuse: _Optional[_Union[Refuse, _Mapping]] = ..., csn: _Optional[int] = ..., process: _Optional[str] = ..., primary: _Optional[str] = ..., history: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("hello", "batch", "ack", "done", "refuse", "state_chunk", "state_finish", "question", "answer", "holds", "sync")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    STATE_CHUNK_FIELD_NUMBER: _ClassVar[int]
    STATE_FINISH_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    batch: Batch
    ack: Ack
    done: Done
    refuse: Refuse
    state_chunk: StateChunk
    state_finish: StateFinish
    question: Question
    answer: Answer
    holds: Holds
    sync: Sync
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., refuse: _Optional[_Union[Refuse, _Mapping]] = ..., state_chunk: _Optional[_Union[StateChunk, _Mapping]] = ..., state_finish: _Optional[_Union[StateFinish, _Mapping]] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., holds: _Optional[_Union[Holds, _Mapping]] = ..., sync: _Optional[_Union[Sync, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "cluster", "server", "label", "birth", "met", "history", "csn", "vector", "retired_servers", "retired", "applications", "settings", "log_applications", "clock", "last", "standing", "requested", "digest")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ApplicationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    BIRTH_FIELD_NUMBER: _ClassVar[int]
    MET_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    RETIRED_SERVERS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LOG_APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    cluster: str
    server: str
    label: str
    birth: str
    met: bool
    history: str
    csn: int
    vector: _containers.ScalarMap[str, int]
    retired_servers: _containers.RepeatedScalarFieldContainer[str]
    retired: bool
    applications: _containers.ScalarMap[str, str]
    settings: _containers.ScalarMap[str, str]
    log_applications: _containers.RepeatedScalarFieldContainer[str]
    clock: int
    last: str
    standing: bool
    requested: bool
    digest: str
    def __init__(self, protocol: _Optional[int] = ..., cluster: _Optional[str] = ..., server: _Optional[str] = ..., label: _Optional[str] = ..., birth: _Optional[str] = ..., met: _Optional[bool] = ..., history: _Optional[str] = ..., csn: _Optional[int] = ..., vector: _Optional[_Mapping[str, int]] = ..., retired_servers: _Optional[_Iterable[str]] = ..., retired: _Optional[bool] = ..., applications: _Optional[_Mapping[str, str]] = ..., settings: _Optional[_Mapping[str, str]] = ..., log_applications: _Optional[_Iterable[str]] = ..., clock: _Optional[int] = ..., last: _Optional[str] = ..., standing: _Optional[bool] = ..., requested: _Optional[bool] = ..., digest: _Optional[str] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("plan", "after_csn", "after_id", "items", "history", "seals")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    AFTER_CSN_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    SEALS_FIELD_NUMBER: _ClassVar[int]
    plan: int
    after_csn: int
    after_id: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    history: str
    seals: _containers.RepeatedCompositeFieldContainer[Seal]
    def __init__(self, plan: _Optional[int] = ..., after_csn: _Optional[int] = ..., after_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., history: _Optional[str] = ..., seals: _Optional[_Iterable[_Union[Seal, _Mapping]]] = ...) -> None: ...

class Seal(_message.Message):
    __slots__ = ("csn", "before", "after", "certificate", "signature")
    CSN_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    csn: int
    before: bytes
    after: bytes
    certificate: bytes
    signature: bytes
    def __init__(self, csn: _Optional[int] = ..., before: _Optional[bytes] = ..., after: _Optional[bytes] = ..., certificate: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "csn", "body")
    ID_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    id: str
    csn: int
    body: bytes
    def __init__(self, id: _Optional[str] = ..., csn: _Optional[int] = ..., body: _Optional[bytes] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("plan", "replan", "csn", "vector", "retired_servers", "was_known")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REPLAN_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    RETIRED_SERVERS_FIELD_NUMBER: _ClassVar[int]
    WAS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    plan: int
    replan: bool
    csn: int
    vector: _containers.ScalarMap[str, int]
    retired_servers: _containers.RepeatedScalarFieldContainer[str]
    was_known: bool
    def __init__(self, plan: _Optional[int] = ..., replan: _Optional[bool] = ..., csn: _Optional[int] = ..., vector: _Optional[_Mapping[str, int]] = ..., retired_servers: _Optional[_Iterable[str]] = ..., was_known: _Optional[bool] = ...) -> None: ...

class Holds(_message.Message):
    __slots__ = ("csn", "vector", "retired_servers")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CSN_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    RETIRED_SERVERS_FIELD_NUMBER: _ClassVar[int]
    csn: int
    vector: _containers.ScalarMap[str, int]
    retired_servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, csn: _Optional[int] = ..., vector: _Optional[_Mapping[str, int]] = ..., retired_servers: _Optional[_Iterable[str]] = ...) -> None: ...

class Sync(_message.Message):
    __slots__ = ("number", "is_answer")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    IS_ANSWER_FIELD_NUMBER: _ClassVar[int]
    number: int
    is_answer: bool
    def __init__(self, number: _Optional[int] = ..., is_answer: _Optional[bool] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Refuse(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class StateChunk(_message.Message):
    __slots__ = ("plan", "first", "pages", "pages_count", "lists", "number", "commits")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    PAGES_COUNT_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    plan: int
    first: bool
    pages: bytes
    pages_count: int
    lists: _containers.RepeatedCompositeFieldContainer[ListPart]
    number: int
    commits: _containers.RepeatedCompositeFieldContainer[LoggedCommit]
    def __init__(self, plan: _Optional[int] = ..., first: _Optional[bool] = ..., pages: _Optional[bytes] = ..., pages_count: _Optional[int] = ..., lists: _Optional[_Iterable[_Union[ListPart, _Mapping]]] = ..., number: _Optional[int] = ..., commits: _Optional[_Iterable[_Union[LoggedCommit, _Mapping]]] = ...) -> None: ...

class LoggedCommit(_message.Message):
    __slots__ = ("id", "csn", "body", "outcome")
    ID_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    id: str
    csn: int
    body: bytes
    outcome: str
    def __init__(self, id: _Optional[str] = ..., csn: _Optional[int] = ..., body: _Optional[bytes] = ..., outcome: _Optional[str] = ...) -> None: ...

class ListPart(_message.Message):
    __slots__ = ("name", "entries")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    entries: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., entries: _Optional[_Iterable[str]] = ...) -> None: ...

class StateFinish(_message.Message):
    __slots__ = ("plan", "number", "csn", "last", "clock", "birth", "primary", "history", "vector", "recent", "commits", "before", "digest", "proof")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PLAN_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    BIRTH_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    plan: int
    number: int
    csn: int
    last: str
    clock: int
    birth: str
    primary: str
    history: str
    vector: _containers.ScalarMap[str, int]
    recent: _containers.RepeatedScalarFieldContainer[str]
    commits: int
    before: str
    digest: str
    proof: StateProof
    def __init__(self, plan: _Optional[int] = ..., number: _Optional[int] = ..., csn: _Optional[int] = ..., last: _Optional[str] = ..., clock: _Optional[int] = ..., birth: _Optional[str] = ..., primary: _Optional[str] = ..., history: _Optional[str] = ..., vector: _Optional[_Mapping[str, int]] = ..., recent: _Optional[_Iterable[str]] = ..., commits: _Optional[int] = ..., before: _Optional[str] = ..., digest: _Optional[str] = ..., proof: _Optional[_Union[StateProof, _Mapping]] = ...) -> None: ...

class StateProof(_message.Message):
    __slots__ = ("certificate", "signature", "successions")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSIONS_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    signature: bytes
    successions: _containers.RepeatedCompositeFieldContainer[Succession]
    def __init__(self, certificate: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., successions: _Optional[_Iterable[_Union[Succession, _Mapping]]] = ...) -> None: ...

class Succession(_message.Message):
    __slots__ = ("csn", "body", "seal")
    CSN_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    csn: int
    body: bytes
    seal: Seal
    def __init__(self, csn: _Optional[int] = ..., body: _Optional[bytes] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("csns", "ids")
    CSNS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    csns: _containers.RepeatedScalarFieldContainer[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, csns: _Optional[_Iterable[int]] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("commits", "lacking", "unknown", "digests")
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    LACKING_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    commits: _containers.RepeatedScalarFieldContainer[str]
    lacking: _containers.RepeatedScalarFieldContainer[str]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, commits: _Optional[_Iterable[str]] = ..., lacking: _Optional[_Iterable[str]] = ..., unknown: _Optional[_Iterable[str]] = ..., digests: _Optional[_Iterable[str]] = ...) -> None: ...

class ExportFrame(_message.Message):
    __slots__ = ("head", "frame", "end")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    head: ExportHead
    frame: Frame
    end: ExportEnd
    def __init__(self, head: _Optional[_Union[ExportHead, _Mapping]] = ..., frame: _Optional[_Union[Frame, _Mapping]] = ..., end: _Optional[_Union[ExportEnd, _Mapping]] = ...) -> None: ...

class ExportHead(_message.Message):
    __slots__ = ("hello", "csn", "vector", "full_state")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CSN_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    FULL_STATE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    csn: int
    vector: _containers.ScalarMap[str, int]
    full_state: bool
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., csn: _Optional[int] = ..., vector: _Optional[_Mapping[str, int]] = ..., full_state: _Optional[bool] = ...) -> None: ...

class ExportEnd(_message.Message):
    __slots__ = ("csn", "vector")
    class VectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CSN_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    csn: int
    vector: _containers.ScalarMap[str, int]
    def __init__(self, csn: _Optional[int] = ..., vector: _Optional[_Mapping[str, int]] = ...) -> None: ...
