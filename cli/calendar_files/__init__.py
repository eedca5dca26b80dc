"""Calendar files (RFC 5545) for the command `import`: reads one, compares it with what is reserved, and follows it."""
