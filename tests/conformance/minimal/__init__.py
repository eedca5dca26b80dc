"""A minimal secondary replica: in memory, in plain Python, written from docs/protocol.md alone."""
