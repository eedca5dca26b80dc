r1 6.14 2026-12-01T09:00/10:00 committed
r2 6.12+6.14 2026-12-01T09:00/10:00 tentative
r3 6.12 2026-12-01T10:00/11:00 tentative
r2 6.12+6.14 2026-12-01T11:00/12:00 committed
09:30/10:30 neil committed
11:00/12:00 priyal committed
09:00/10:00 vish committed
11:00/12:00 priyal committed
r4 6.14+6.13 - refused
r5 6.15 2026-12-01T08:00/09:00 tentative
r6 6.15+6.13 2026-12-01T11:00/12:00 tentative
r2 6.12+6.14 - cancelled
r7 6.12+6.14 2026-12-01T11:00/12:00 tentative
