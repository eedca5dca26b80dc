"""Start one replica: `python server.py one`. All of it is in replica/."""

from __future__ import annotations

import sys

from apps import APPLICATIONS
from replica.main import main
from replica.scheduler import Scheduler

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], APPLICATIONS, Scheduler))
