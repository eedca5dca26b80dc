"""A server that does nothing. It has one flask-restful resource, and uses the same web server as a replica.

The benchmark's rows `accept` and `read` compare the rate of a replica with the rate of this server.

`python -m bench.empty` prints the server's port. The server stops when its standard input ends.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from flask import Flask
from flask_restful import Api, Resource

from replica.config import Address
from replica.http.server import WebServer


class Empty(Resource):  # type: ignore[misc]  # flask_restful has no types
    def get(self) -> dict[str, str]:
        return {}

    def post(self) -> tuple[dict[str, str], int]:
        return {}, 201


@contextlib.contextmanager
def empty_server() -> Iterator[Address]:
    """Start an empty server in a process of its own, yield the server's address, and stop the server at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.empty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Address("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.communicate()


def main() -> None:
    app = Flask("empty")
    Api(app).add_resource(Empty, "/")
    server = WebServer(app, Address("127.0.0.1", 0))
    server.start()
    print(server.address.port, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
