PUT:(song, first):FALSE
PUT:(song, second):FALSE
PUT:(song, third):FALSE
PUT:(song, first):FALSE
PUT:(song, second):FALSE
PUT:(song, third):FALSE
song:third
