"""Starts one replica, as server.py does, for benchmark rows that measure the transfer of a log.

If a peer lacks very many commits, a normal replica may send the full state although its log has all these commits. This
replica sends the log to such a peer.

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
