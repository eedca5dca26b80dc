r1 6.12 2026-12-01T09:00/10:00 committed
r1 ERR_OWNER
r1 6.12 - cancelled
r1 6.12 - cancelled
r2 6.12 2026-12-01T09:00/10:00 tentative
r9 ERR_KEY
RESERVE:(vish, 6.12):TRUE
CANCEL:(vish, 6.12):TRUE
RESERVE:(priyal, 6.12):TRUE
