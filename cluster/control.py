"""The control endpoint of `cluster.py up`. The cluster page crashes and restarts replicas through this endpoint.

The endpoint listens on the loopback address only, and accepts requests only from web pages of the replicas. The address
of the cluster page contains a key. The cluster page sends this key and gets a token. All other requests need the token.
A key works only once. So nobody can use a key that was visible on a projector.

    POST /claim            {"key"}    -> {"token", "resets"}; `resets` is true if POST /reset is possible
    POST /crash/LABEL      {"token"}  -> {}
    POST /restart/LABEL    {"token"}  -> {}
    POST /reset            {"token"}  -> {}

Refusals have the form of a replica's refusals: {"error": {"code", "message", "details"}}.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bayou.errors import BadInput, Conflict, Forbidden, Refusal, Unknown
from replica.config import Address, Config
from replica.http.cors import LOOPBACK_NAMES

BODY_BYTES_MAX = 1024
IDLE_S_MAX = 10.0
STATUS: dict[type[Refusal], int] = {BadInput: 400, Forbidden: 403, Unknown: 404, Conflict: 409}
ACTS = ("crash", "restart")

Act = Callable[[str, str | None], None]


class Control:
    """The control endpoint for the replicas in `settings`.

    `act("crash", label)` crashes a replica, and `act("restart", label)` restarts a replica. `act("reset", None)`
    deletes the data of all replicas and starts the replicas again. `act` raises Conflict if the action is not possible
    now. If `resets` is false, the endpoint refuses POST /reset.

    `page_address` contains a key that works once. When the cluster page has used the key, `page_address` gets a new
    key, and `on_claimed` is called.
    """

    def __init__(self, settings: Config, act: Act, on_claimed: Callable[[], object], *, resets: bool) -> None:
        self._settings = settings
        self._act = act
        self._on_claimed = on_claimed
        self._resets = resets
        self._key = secrets.token_hex(16)
        self._tokens: list[str] = []
        self._claiming = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = Address("127.0.0.1", self._server.server_port)
        self._origins = set(_origins_of(settings))
        threading.Thread(target=self._server.serve_forever, name="control", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def page_address(self) -> str:
        """The address of the cluster page. The address ends with `#` and a key. A browser does not send `#` and the key
        to the server."""
        rest = next(iter(self._settings.replicas.values())).rest
        return f"http://{rest}/cluster#control={self.address.port}.{self._key}"

    def answer(self, method: str, path: str, host: str, origin: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON of the answer to a request."""
        try:
            self._check_page(host, origin)
            return 200, {} if method == "OPTIONS" else self._done(path, body)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
            return STATUS[type(refusal)], {"error": error}

    def _check_page(self, host: str, origin: str) -> None:
        if host != str(self.address) or origin not in self._origins:
            message = (
                "Only the cluster page of a replica on this computer can control the replicas. Open the address that"
                " the terminal shows."
            )
            raise Forbidden("cross_site", message)

    def _done(self, path: str, body: bytes) -> dict[str, Any]:
        asked = _read(body)
        name, *labels = path.removeprefix("/").split("/")
        if name == "claim" and not labels:
            return self._claim(asked.get("key", ""))
        if not any(hmac.compare_digest(token, asked.get("token", "")) for token in self._tokens):
            raise Forbidden(
                "token_wrong", "This web page cannot control replicas. Open the address that the terminal shows."
            )
        if name == "reset" and not labels and self._resets:
            self._act(name, None)
        elif name in ACTS and len(labels) == 1 and labels[0] in self._settings.replicas:
            self._act(name, labels[0])
        else:
            message = "This path is not an action. Use /crash/LABEL or /restart/LABEL, with the label of a replica."
            raise Unknown("not_found", message)
        return {}

    def _claim(self, key: str) -> dict[str, Any]:
        with self._claiming:
            if not hmac.compare_digest(self._key, key):
                message = (
                    "The key of this web page is wrong or was used before. Open the address that the terminal shows."
                )
                raise Forbidden("key_used", message)
            self._key = secrets.token_hex(16)
            self._tokens.append(secrets.token_hex(16))
            token = self._tokens[-1]
        self._on_claimed()
        return {"token": token, "resets": self._resets}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        control = self

        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_S_MAX

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                is_bounded = re.fullmatch(r"[0-9]{1,4}", length) and int(length) <= BODY_BYTES_MAX
                self._answer(self.rfile.read(int(length)) if is_bounded else b"")

            def do_OPTIONS(self) -> None:
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                host, origin = self.headers.get("Host", ""), self.headers.get("Origin", "")
                status, answer = control.answer(self.command, self.path, host, origin, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                if origin in control._origins:
                    self.send_header("Access-Control-Allow-Origin", origin)
                    self.send_header("Access-Control-Allow-Methods", "POST")
                    self.send_header("Access-Control-Allow-Headers", "Content-Type")
                    self.send_header("Vary", "Origin")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None: ...

        return Handler


def _read(body: bytes) -> dict[str, str]:
    """Return the JSON object in a body, with only those values that are ASCII text. Raise BadInput if the body is not a
    JSON object."""
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput("bad_input", "The body must be a JSON object.")
    return {name: value for name, value in found.items() if isinstance(value, str) and value.isascii()}


def _origins_of(settings: Config) -> Collection[str]:
    """Return the origins that the web pages of the replicas can have in a browser on this machine."""
    rests = [replica.rest for replica in settings.replicas.values()]
    return [f"http://{name}" for rest in rests for name in (rest, *(f"{one}:{rest.port}" for one in LOOPBACK_NAMES))]
