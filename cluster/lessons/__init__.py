"""Lessons: the scenarios, step by step, drawn for a projector."""
