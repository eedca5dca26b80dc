entries committed
w1 updated committed: insert entries terry95 - Update-Conflicts vish
w2 updated tentative: insert entries terry95 - Session-Guarantees neil
- Update-Conflicts vish
a Session-Guarantees neil
- Update-Conflicts vish
a Session-Guarantees neil
w3 updated committed: insert entries demers94 - Bayou-Architecture vish
w4 updated tentative: insert entries demers94 - Bayou-Architecture neil
- Bayou-Architecture vish
neil committed: insert entries demers94 - Bayou-Architecture neil
  in the way: demers94 - Bayou-Architecture vish
