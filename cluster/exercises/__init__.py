"""Exercises that check themselves: a student edits a script or rules, and the simulated cluster says what they do."""
