"""The events of a replica: what happens there, for screens and metrics."""
