"""The command line client. It talks to replicas through their REST interface and imports no code of the server."""
