"""Run a whole cluster on this machine: `python cluster.py --help`. The code is in cluster/."""

from __future__ import annotations

import gc
import sys

gc.disable()  # while code is loaded, which saves a tenth of its time

try:
    from cluster.main import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"This Python has no package {missing.name}. Run `source .venv/bin/activate` in this folder, then try again."
        " `make demo` creates .venv."
    )

gc.enable()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
