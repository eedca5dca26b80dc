a:ERR_DEP
V zero:4 one:3
C zero:4 one:3
O -
CSN 4
OSN 0
epoch 0
primary zero
a:1
a:2
