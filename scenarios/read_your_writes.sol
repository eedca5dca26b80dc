song:ERR_DEP
other:ERR_DEP
song:ERR_KEY
song:1
