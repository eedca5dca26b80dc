"""The drivers. A driver runs the cluster of a scenario, with real processes or as a simulation."""
