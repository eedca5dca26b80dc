r1 6.12 2026-12-01T09:00/10:00 tentative
r2 6.12 2026-12-01T09:00/10:00 tentative
09:00/10:00 priyal tentative
RESERVE:(priyal, 6.12):FALSE
PUT:(minutes-later, a):FALSE
PUT:(hours-later, b):FALSE
PUT:(days-later, c):FALSE
r2 6.12 - rejected
RESERVE:(neil, 6.12):FALSE
RESERVE:(priyal, 6.12):FALSE
PUT:(minutes-later, a):FALSE
PUT:(hours-later, b):FALSE
PUT:(days-later, c):FALSE
RESERVE:(neil, 6.12):TRUE
RESERVE:(priyal, 6.12):REJECTED
PUT:(minutes-later, a):TRUE
PUT:(hours-later, b):TRUE
PUT:(days-later, c):TRUE
r3 7.01 2026-12-01T09:00/10:00 tentative
r4 7.01 2026-12-01T09:00/10:00 committed
r3 7.01 - rejected
r4 7.01 2026-12-01T09:00/10:00 committed
