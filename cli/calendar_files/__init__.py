"""Calendar files (RFC 5545) for the command `import`: reads a file, compares it with the user's reservations, and makes
the changes."""
