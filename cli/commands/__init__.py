"""The commands of the client. Each file has the commands for one subject."""
