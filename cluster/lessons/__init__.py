"""Lessons: the scenarios step by step, with pictures for a projector."""
