"""One user's prompt and one-shot commands: `python client.py vish`. All of it is in cli/."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
