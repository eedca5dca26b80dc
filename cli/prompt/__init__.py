"""The interactive prompt of one user."""
