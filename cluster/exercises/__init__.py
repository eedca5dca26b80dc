"""Exercises that check themselves: a student edits a script or rules, and sees what the simulated cluster does with
them."""
