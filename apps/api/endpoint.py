"""The declaration of an endpoint of the REST interface.

The declaration is the source of routing, authorisation, CORS, validation, GET /openapi.json, the metrics, and the
tables in docs/rest.md. This module depends on no HTTP library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from apps.api.model import Model
from apps.api.schema import ANYTHING, Schema

BODY_BYTES_MAX = 1024 * 1024

Answer = dict[str, Any]
Role = Literal["guest", "user", "manager"]


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON. `tag` is the ETag of the answer. A client may send the tag of an earlier answer with
    a request. If the new answer has the same tag, the client gets status 304 without a body. With `is_weak`, answers
    that differ slightly may have the same tag."""

    body: bytes
    media_type: str
    tag: str
    is_weak: bool = False


# A handler is called with the Request and, by name, the parameters of the path. The handler returns an Answer,
# (Answer, status) or Content. To refuse a request, the handler raises a Refusal.
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. The name of the handler is the operation id, so the name must be unique. The docstring
    of the handler is the summary.

    The first parameter of the handler is a Request[QUERY, BODY]. QUERY and BODY are the models that the query and the
    body of a request must fit. If one of these models is None, that part of the request is ignored.

    path                  such as `/rooms/{room}/calendar`; `{+name}` matches the rest of the path, with slashes
    answers               status -> schema of the JSON; None if the answer is not JSON
    parameters            parameter of the path -> its description
    errors                status -> error codes; the codes that every endpoint may answer are left out
    role                  the lowest role that may use the endpoint; None if everybody may use it without a token
    body_bytes_max        the maximum length of a body; a longer body is refused before it is read
    body_is_required      if False, a request without a body is treated as if its body were {}
    is_refused_when_busy  if False, even a client that sends too many requests may use the endpoint
    in_session            if True, the endpoint keeps the guarantees of the client's session
    for_cluster_pages     if True, web pages of the cluster's other replicas may use the endpoint; if the method is
                          POST, this is allowed only in a cluster without roles
    is_endless            if True, the answer is a stream without an end
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Schema | None] = field(default_factory=lambda: {200: ANYTHING})
    parameters: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    role: Role | None = "user"
    body_bytes_max: int = BODY_BYTES_MAX
    body_is_required: bool = True
    is_refused_when_busy: bool = True
    in_session: bool = True
    for_cluster_pages: bool = False
    is_endless: bool = False

    @property
    def is_write(self) -> bool:
        """True if the endpoint makes writes for its caller. A request to such an endpoint must name the caller."""
        return self.in_session and self.method != "GET"

    @property
    def summary(self) -> str:
        return " ".join((self.handler.__doc__ or "").split())

    @property
    def query(self) -> type[Model] | None:
        return self._model(0)

    @property
    def body(self) -> type[Model] | None:
        return self._model(1)

    def _model(self, place: int) -> type[Model] | None:
        request = next(iter(get_type_hints(self.handler).values()))
        model: type[Model] = get_args(request)[place]
        return model if issubclass(model, Model) else None


Tables = Mapping[str, Sequence[Endpoint]]  # all endpoints of a replica, by their owner: an application, or `replica`
