r1 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 2026-12-01T09:00/10:00 committed
RESERVE:(priyal, 6.12):FALSE
r1 6.12 - rejected
r2 6.12 2026-12-01T09:00/10:00 committed
RESERVE:(vish, 6.12):TRUE
RESERVE:(priyal, 6.12):REJECTED
