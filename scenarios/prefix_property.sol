PUT:(first, 1):FALSE
PUT:(second, 2):FALSE
V zero:6 one:17 two:5 three:6
C zero:6 one:4 two:5 three:6
O -
CSN 3
OSN 0
epoch 0
primary zero
PUT:(first, 1):FALSE
PUT:(second, 2):FALSE
PUT:(third, 3):FALSE
second:2
V zero:6 one:21 two:5 three:6
C zero:6 one:4 two:5 three:6
O -
CSN 3
OSN 0
epoch 0
primary zero
