"""An endpoint of the REST interface, declared once.

Routing, authorisation, the rules for web pages of other origins, validation, GET /openapi.json, the metrics and the
table in docs/rest.md are all made from this declaration. It knows no HTTP library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.api.model import Model
from apps.api.schema import ANYTHING, Schema

Answer = dict[str, Any]
Role = Literal["guest", "user", "manager"]


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON. With a `tag` (an ETag) a client that sends it back learns that nothing has changed;
    `is_weak`: the same tag may stand for slightly different bytes."""

    body: bytes
    media_type: str
    tag: str
    is_weak: bool = False


# Called with the Request and, by their names, the parameters of the path. It returns an Answer, (Answer, status) or
# Content, and refuses by raising a Refusal.
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    path                  as in `/rooms/{room}/calendar`; `{+name}` takes the rest of the path, slashes included.
    handler               its name is the operation id, so it is unique.
    answers               the schema of the JSON by status, None for what is not JSON.
    role                  the least role that may use it; None: nobody is asked who he is.
    path_parameters       what each parameter of the path is.
    query, body           the models that they must fit; None: it takes none, and does not look at what is sent.
    errors                the error codes by status, beside those that every endpoint may answer.
    is_write              it writes under the caller's name: without tokens, the header Bayou-User is needed.
    in_session            it keeps the guarantees of the client's session.
    for_cluster_pages     web pages that other replicas of the cluster serve may use it.
    is_endless            the answer is a stream without an end.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, Schema | None] = field(default_factory=lambda: {200: ANYTHING})
    role: Role | None = "user"
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    query: type[Model] | None = None
    body: type[Model] | None = None
    body_is_required: bool = True
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    is_write: bool = False
    in_session: bool = False
    for_cluster_pages: bool = False
    is_endless: bool = False


Tables = Mapping[str, Sequence[Endpoint]]  # all endpoints of a replica, by their owner: an application, or `replica`
