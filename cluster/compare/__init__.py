"""The same reservations kept in six ways, side by side: small implementations for teaching, and Bayou itself."""
