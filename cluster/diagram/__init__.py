"""Space-time diagrams: each replica has a lane with its transactions and its frames."""
