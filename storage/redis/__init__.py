"""The Redis behind a replica: started, found or followed, confirmed, and brought back when it ends."""
