"""The scenario language: its commands, and how a script is run."""
