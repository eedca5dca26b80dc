"""Stop all servers. No process of a server is left."""
