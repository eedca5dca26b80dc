PUT:(c, 3):TRUE
V zero:9 one:3
C zero:9 one:3
O zero:8 one:3
CSN 4
OSN 3
epoch 0
primary zero
b:2
PUT:(c, 3):TRUE
PUT:(a, mine):TRUE
PUT:(c, 3):TRUE
PUT:(a, mine):TRUE
a:mine
