"""Space-time diagrams: a lane for each replica, and what happened along it."""
