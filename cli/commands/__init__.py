"""The commands of the client, one family a file."""
