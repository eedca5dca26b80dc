"""The running replica: REST for clients, gRPC for peers, and the events that screens show."""

import os

# Set before grpc is imported; otherwise it prints a line for each peer that stops.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
