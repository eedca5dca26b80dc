"""An endpoint of the REST interface, declared once.

Routing, authorisation, the rules for web pages of other origins, validation, GET /openapi.json, the metrics and the
tables in docs/rest.md are all made from this declaration. It depends on no HTTP library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from apps.api.model import Model
from apps.api.schema import ANYTHING, Schema

Answer = dict[str, Any]
Role = Literal["guest", "user", "manager"]


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON. `tag` is its ETag: a client that sends it back gets a short answer if nothing has
    changed. `is_weak`: bytes that differ slightly may have the same tag."""

    body: bytes
    media_type: str
    tag: str
    is_weak: bool = False


# It is called with the Request and, by name, the parameters of the path. It returns an Answer, (Answer, status) or
# Content, and refuses by raising a Refusal.
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. The name of the handler is the operation id, so it is unique; its docstring is the
    summary. Its first parameter, a Request[QUERY, BODY], names the models that the query and the body must fit. If a
    model is None, what was sent is ignored.

    path                  as in `/rooms/{room}/calendar`; `{+name}` takes the rest of the path, slashes included.
    answers               the schema of the JSON by status, None for what is not JSON.
    parameters            what each parameter of the path is.
    errors                the error codes by status, apart from those that every endpoint may answer.
    role                  the least role that may use it; None: anybody may, without a token.
    body_is_required      False: no body is the same as an empty object.
    in_session            it keeps the guarantees of the client's session.
    for_cluster_pages     web pages that other replicas of the cluster serve may use it.
    is_endless            the answer is a stream without an end.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Schema | None] = field(default_factory=lambda: {200: ANYTHING})
    parameters: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    role: Role | None = "user"
    body_is_required: bool = True
    in_session: bool = True
    for_cluster_pages: bool = False
    is_endless: bool = False

    @property
    def is_write(self) -> bool:
        """Whether the endpoint writes under the name of its caller, so that the request must say who asks."""
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
