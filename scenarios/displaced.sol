r1 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 - rejected
09:00/10:00 vish tentative
r2 6.12 - rejected
09:00/10:00 vish committed
RESERVE:(vish, 6.12):TRUE
RESERVE:(priyal, 6.12):REJECTED
