"""Compares eight designs on the same reservations: seven small designs for teaching, and Bayou itself."""
