"""Start one replica: `python server.py one`. The code is in replica/."""

from __future__ import annotations

import sys

try:
    from apps import APPLICATIONS
    from replica.main import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"This Python has no package {missing.name}. Run `source .venv/bin/activate` in this folder, then try again."
        " `make demo` creates .venv."
    )

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], APPLICATIONS))
