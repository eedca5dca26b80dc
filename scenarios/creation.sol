a:1
V zero:7 one:7
C zero:7 one:7
O -
CSN 2
OSN 0
epoch 0
primary zero
V zero:7 one:7
C zero:7 one:7
O -
CSN 2
OSN 0
epoch 0
primary zero
V zero:12 one:7 two:12
C zero:12 one:7 two:12
O -
CSN 3
OSN 0
epoch 0
primary zero
