"""Starts one replica, as server.py does. But this replica never sends the full state instead of the log. Rows that
measure the log need such a sender.

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
