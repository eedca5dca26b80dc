V one:5 two:4 three:7
C one:5 two:4 three:7
O -
CSN 3
OSN 0
epoch 0
primary one
V one:5 two:4
C one:5 two:4
O -
CSN 4
OSN 0
epoch 0
primary one
V one:5 two:4 three:7
C one:5 two:4 three:7
O -
CSN 3
OSN 0
epoch 0
primary one
V one:5 two:4
C one:5 two:4
O -
CSN 4
OSN 0
epoch 0
primary one
song:1
