"""Who takes part in the cluster, and who commits."""
