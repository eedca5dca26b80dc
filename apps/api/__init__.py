"""The interface between applications and a replica."""
