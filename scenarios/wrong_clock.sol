PUT:(song, other):FALSE
PUT:(song, question):FALSE
song:question
PUT:(song, other):FALSE
PUT:(song, question):FALSE
PUT:(song, answer):FALSE
song:answer
V zero:5 one:7213 two:7213.000001
C zero:5 one:4 two:5
O -
CSN 2
OSN 0
epoch 0
primary zero
