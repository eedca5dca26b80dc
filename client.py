"""Starts the client of one user. `python client.py vish` opens a prompt, and `python client.py vish COMMAND` runs one
command. The code is in cli/."""

from __future__ import annotations

import sys

try:
    from cli.main import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"This Python has no package {missing.name}. Run `source .venv/bin/activate` in this folder, then try again."
        " `make demo` creates .venv."
    )

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
