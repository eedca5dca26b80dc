"""The protocol, without I/O: stamps, vectors, writes, and sessions between two replicas. Standard library only."""
