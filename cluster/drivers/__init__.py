"""The drivers, which give a scenario a cluster to run on: of real processes, or simulated."""
