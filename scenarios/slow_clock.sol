PUT:(song, first):FALSE
PUT:(song, second):FALSE
song:second
