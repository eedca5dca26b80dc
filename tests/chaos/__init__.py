"""Real kills: replicas as processes on a bad network, killed at random moments; afterwards the books are checked."""
