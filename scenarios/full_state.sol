PUT:(c, 3):TRUE
b:2
PUT:(a, mine):TRUE
PUT:(c, 3):TRUE
PUT:(a, mine):TRUE
a:mine
