"""Exercises that check the work of a student. The student edits a script or rules, and sees the result in a simulated
cluster."""
