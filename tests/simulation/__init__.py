"""The simulation, `make sim`: many replicas of the real code in one process, under faults that a seed chooses."""
