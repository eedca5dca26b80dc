"""A conformance suite for implementations of docs/protocol.md, and a small second implementation."""
