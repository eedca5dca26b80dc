V B:4 A:3
C B:4 A:3
O -
CSN 4
OSN 0
epoch 0
primary B
V B:4 A:3 R:7
C B:4 A:3 R:7
O -
CSN 3
OSN 0
epoch 0
primary B
V B:4 A:3
C B:4 A:3
O -
CSN 4
OSN 0
epoch 0
primary B
V B:4 A:3
C B:4 A:3
O -
CSN 4
OSN 0
epoch 0
primary B
