a:1
PUT:(a, 1):TRUE
PUT:(a, 2):TRUE
V zero:12 one#2:14
C zero:12 one#2:14
O -
CSN 5
OSN 0
epoch 0
primary zero
