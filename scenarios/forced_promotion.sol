PUT:(a, 1):FALSE
PUT:(a, 1):TRUE
V zero:4 one:9 two:4 one#2:13
C zero:4 one:9 two:4 one#2:13
O -
CSN 4
OSN 0
epoch 1
primary one#2
PUT:(a, 1):TRUE
PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
