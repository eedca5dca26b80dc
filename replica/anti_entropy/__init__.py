"""Anti-entropy sessions with the peers of a replica: when they start, with whom, and how gRPC carries them."""
