a:1
a:ERR_DEP
a:1
