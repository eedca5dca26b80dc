PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(c, 3):TRUE
V one:3 two:12
C one:3 two:12
O -
CSN 7
OSN 0
epoch 0
primary one
