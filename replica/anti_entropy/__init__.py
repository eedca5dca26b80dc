"""Sessions with the peers of a replica: when they start, with whom, and over gRPC."""
