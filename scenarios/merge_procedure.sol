r1 6.12 2026-12-01T09:00/10:00 committed
r2 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 2026-12-01T11:00/12:00 committed
09:00/10:00 vish committed
11:00/12:00 priyal committed
