"""Start one replica: `python server.py one`. The code is in replica/."""

from __future__ import annotations

import gc
import sys

gc.disable()  # while code is loaded, which saves 15 % of its time; replica/main.py enables it again

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
