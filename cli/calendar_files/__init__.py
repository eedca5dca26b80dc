"""Imports calendar files (RFC 5545). The command `import` reads a file, compares the file with the user's reservations,
and changes the reservations."""
