"""The membership of the cluster: which servers take part, and which one commits."""
