"""Many replicas of the real code in one process, under faults that a seed chooses: `make sim`."""
