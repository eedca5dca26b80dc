song:far
PUT:(song, near):TRUE
PUT:(song, far):TRUE
PUT:(song, near):TRUE
PUT:(song, far):TRUE
