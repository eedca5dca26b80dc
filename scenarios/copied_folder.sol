PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(a, 1):TRUE
b:ERR_DEP
V one:4 two:7 two#2:18
C one:4 two:7
O -
CSN 2
OSN 0
epoch 0
primary one
PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(c, 3):TRUE
b:2
V one:4 two:10 two#2:18
C one:4 two:10 two#2:18
O -
CSN 4
OSN 0
epoch 0
primary one
PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(c, 3):TRUE
PUT:(d, 4):FALSE
PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(c, 3):TRUE
