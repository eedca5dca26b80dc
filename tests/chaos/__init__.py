"""The chaos test: kill real replicas at random on an unreliable network, then check that no reservation was lost."""
