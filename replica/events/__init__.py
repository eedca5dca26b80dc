"""What happens at a replica, for screens and metrics."""
