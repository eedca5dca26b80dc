"""The scenario language: its parser, its commands, and the runner of scripts."""
