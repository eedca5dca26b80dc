"""The command line client. It knows replicas only by their REST addresses, and imports nothing of the server."""
