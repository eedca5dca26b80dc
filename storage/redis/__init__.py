"""The Redis of a replica: how it is found, started, checked, watched and stopped."""
