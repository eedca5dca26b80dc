"""A whole cluster on this machine: `python cluster.py up`, `python cluster.py demo`. All of it is in cluster/."""

from __future__ import annotations

import sys

try:
    from cluster.main import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"This Python has no {missing.name}. In this folder type `source .venv/bin/activate`, then the same again;"
        " `make demo` makes .venv."
    )

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
