r1 6.12 2026-12-01T09:00/10:00 committed
r2 6.12 - refused
r2 ERR_KEY
r3 6.12 2026-12-01T10:00/11:00 committed
RESERVE:(vish, 6.12):TRUE
RESERVE:(priyal, 6.12):TRUE
