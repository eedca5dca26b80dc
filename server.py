"""Start one replica: `python server.py one`. All of it is in replica/."""

from __future__ import annotations

import sys

try:
    from apps import APPLICATIONS
    from replica.anti_entropy.scheduler import Scheduler
    from replica.main import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"This Python has no {missing.name}. In this folder type `source .venv/bin/activate`, then the same again;"
        " `make demo` makes .venv."
    )

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], APPLICATIONS, Scheduler))
