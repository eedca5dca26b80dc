"""Compares six designs on the same reservations: five small ones written for teaching, and Bayou itself."""
