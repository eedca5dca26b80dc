"""Compares eight designs on the same reservations: seven small ones written for teaching, and Bayou itself."""
