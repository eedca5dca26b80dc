"""A whole cluster on this machine: `python cluster.py up`, `python cluster.py demo`. All of it is in cluster/."""

from __future__ import annotations

import sys

from cluster.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
