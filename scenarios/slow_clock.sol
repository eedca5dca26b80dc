PUT:(song, first):FALSE
PUT:(song, second):FALSE
song:second
PUT:(song, first):TRUE
PUT:(song, second):TRUE
