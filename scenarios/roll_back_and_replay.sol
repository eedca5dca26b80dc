r1 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 2026-12-01T09:00/10:00 tentative
r3 6.12 2026-12-01T09:00/10:00 tentative
r3 6.12 2026-12-01T10:00/11:00 tentative
r2 6.12 2026-12-01T10:00/11:00 tentative
r3 6.12 2026-12-01T11:00/12:00 tentative
RESERVE:(vish, 6.12):FALSE
RESERVE:(priyal, 6.12):FALSE
RESERVE:(neil, 6.12):FALSE
09:00/10:00 vish committed
10:00/11:00 priyal committed
11:00/12:00 neil committed
RESERVE:(vish, 6.12):TRUE
RESERVE:(priyal, 6.12):TRUE
RESERVE:(neil, 6.12):TRUE
