"""Plays scenarios as lessons: step by step, with pictures for a projector."""
