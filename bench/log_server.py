"""Starts one replica, as server.py does. This replica sends its log even to a peer that lacks very many commits. A
normal replica may send such a peer the full state. The rows that measure the log need the log.

    python -m bench.log_server LABEL
"""

from __future__ import annotations

import sys

from apps import APPLICATIONS
from bayou import sender
from replica.main import main

if __name__ == "__main__":
    sender.FAR_COMMITS_MIN = sys.maxsize
    sys.exit(main(sys.argv[1:], APPLICATIONS))
