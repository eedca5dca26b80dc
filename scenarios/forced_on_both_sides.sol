PUT:(a, one):TRUE
PUT:(a, two):TRUE
PUT:(b, two):TRUE
PUT:(a, two):TRUE
PUT:(b, two):TRUE
PUT:(a, one):TRUE
PUT:(a, two):TRUE
PUT:(b, two):TRUE
PUT:(a, one):TRUE
a:one
PUT:(a, two):TRUE
PUT:(b, two):TRUE
PUT:(a, one):TRUE
PUT:(c, end):TRUE
V zero:4 one:3 two:4 one#2:25 two#2:15
C zero:4 one:3 two:4 one#2:25 two#2:15
O -
CSN 8
OSN 0
epoch 1
primary two#2
V zero:4 one:3 two:4 one#2:25 two#2:15
C zero:4 one:3 two:4 one#2:25 two#2:15
O -
CSN 8
OSN 0
epoch 1
primary two#2
