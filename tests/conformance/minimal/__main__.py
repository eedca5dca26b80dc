"""Runs a minimal replica: `python -m tests.conformance.minimal HOST:PORT --label LABEL --cluster CLUSTER`."""

from __future__ import annotations

import argparse
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.log import Log
from tests.conformance.minimal.session import Session

SESSIONS_MAX = 20
OPTIONS = [
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
]


def new_log(label: str, cluster: str) -> Log:
    """Return an empty log under a new server id. The id is new at each start, because the writes of the last run are
    lost."""
    return Log(f"{label}~{secrets.token_hex(4)}", label, cluster)


def serve(log: Log, address: str, session_type: type[Session] = Session) -> tuple[grpc.Server, int]:
    """Answer sessions at this address. Return the server, and its port."""

    def exchange(frames: Iterator[wire.Frame], context: Any) -> Iterator[wire.Frame]:
        session = session_type(log, time.time_ns() // 1000)
        arrived: queue.SimpleQueue[wire.Frame | bool] = queue.SimpleQueue()  # True: the log has changed; False: the end

        def wake() -> None:
            arrived.put(True)

        def read() -> None:
            try:
                for frame in frames:
                    arrived.put(frame)
            except Exception:  # gRPC raises one without a name when the stream breaks
                pass
            arrived.put(False)

        log.listeners.append(wake)
        threading.Thread(target=read, daemon=True).start()
        try:
            while not session.has_ended and (found := arrived.get()) is not False:
                yield from session.wake() if found is True else session.receive(found)
        finally:
            log.listeners.remove(wake)

    server = grpc.server(ThreadPoolExecutor(SESSIONS_MAX), options=OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(
        exchange, request_deserializer=_frame, response_serializer=wire.Frame.SerializeToString
    )
    handlers = grpc.method_handlers_generic_handler("bayou.AntiEntropy", {"Exchange": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port(address)
    server.start()
    return server, port


def _frame(data: bytes) -> wire.Frame:
    """Decode a frame. If the bytes are not a frame, return an empty frame, because the session refuses empty frames."""
    try:
        return wire.Frame.FromString(data)
    except Exception:
        return wire.Frame()


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.conformance.minimal", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--label", required=True)
    parser.add_argument("--cluster", required=True, help="the id of the cluster: `cluster` of GET /replica")
    asked = parser.parse_args()
    server, port = serve(new_log(asked.label, asked.cluster), asked.address)
    print(f"{asked.label} answers on port {port}.", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
