"""The simulation, `make sim`. One process runs many replicas with the real code, and a seed decides which faults
happen."""
