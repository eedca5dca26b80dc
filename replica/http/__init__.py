"""The REST interface and the web pages of a replica."""
