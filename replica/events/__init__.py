"""What happens at a replica, as screens show it."""
