r1 6.12 2026-12-01T09:00/10:00 tentative
09:00/10:00 vish tentative
09:00/10:00 vish committed
r1 6.12 2026-12-01T09:00/10:00 committed
