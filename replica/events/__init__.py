"""The events of a replica. They tell screens, the terminal and metrics what happens at the replica."""
