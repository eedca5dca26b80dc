PUT:(a, 1):TRUE
PUT:(b, 2):TRUE
PUT:(c, 3):TRUE
V 1:3 2:11
C 1:3 2:11
O -
CSN 7
OSN 0
epoch 0
primary 1
