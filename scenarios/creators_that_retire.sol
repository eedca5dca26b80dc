V X:6 C:12 D:14
C X:6 C:12 D:14
O -
CSN 10
OSN 0
epoch 0
primary C
V X:6 C:12 D:14
C X:6 C:12 D:14
O -
CSN 10
OSN 0
epoch 0
primary C
V X:6 C:12 D:14
C X:6 C:12 D:14
O -
CSN 10
OSN 0
epoch 0
primary C
V X:21 D:22 B#2:21
C X:21 D:22 B#2:21
O -
CSN 14
OSN 0
epoch 0
primary X
V X:21 D:22 B#2:21
C X:21 D:22 B#2:21
O -
CSN 14
OSN 0
epoch 0
primary X
song:3
