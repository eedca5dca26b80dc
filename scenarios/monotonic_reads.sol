song:1
song:ERR_DEP
song:1
song:ERR_KEY
song:1
