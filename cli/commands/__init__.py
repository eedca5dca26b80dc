"""The commands of the client. Each file holds one family of commands."""
