song:ahead
PUT:(song, behind):FALSE
PUT:(song, ahead):FALSE
PUT:(song, seen):FALSE
