"""The clusters on which a scenario runs: real processes, or a simulation."""
