"""The running replica: REST for clients, gRPC for peers, and what screens see of both."""

import os

os.environ.setdefault(
    "GRPC_VERBOSITY", "ERROR"
)  # read when grpc is imported; else each stop of a peer is a line on stderr
