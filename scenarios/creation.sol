a:1
V 0:6 1:6
C 0:6 1:6
O -
CSN 2
OSN 0
epoch 0
primary 0
V 0:6 1:6
C 0:6 1:6
O -
CSN 2
OSN 0
epoch 0
primary 0
V 0:11 1:6 2:11
C 0:11 1:6 2:11
O -
CSN 3
OSN 0
epoch 0
primary 0
