"""The command line client. It uses the REST interface of replicas, and imports only bayou/names.py of the server."""
