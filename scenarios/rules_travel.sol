meetings committed
w1 updated committed: insert meetings 6.12 2026-12-01 540 600 vish
w2 updated tentative: insert meetings 6.12 2026-12-01 540 600 priyal
w3 updated tentative: insert meetings 6.12 2026-12-01 540 600 neil
2026-12-01 540 vish
2026-12-01 600 priyal
2026-12-02 540 neil
2026-12-01 540 vish
2026-12-01 600 priyal
2026-12-02 540 neil
2026-12-01 540 vish
2026-12-01 600 priyal
2026-12-02 540 neil
w4 refused
w5 updated tentative: delete meetings 6.12 2026-12-01 600
w6 merged 1.1 tentative: insert meetings 6.12 2026-12-01 600 660 ann
w7 refused
540 vish
600 ann
