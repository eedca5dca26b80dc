"""The drivers. A driver gives a scenario a cluster to run on. The cluster consists of real processes, or is
simulated."""
