"""The protocol with no I/O: stamps, vectors, writes, and what two replicas owe each other."""
