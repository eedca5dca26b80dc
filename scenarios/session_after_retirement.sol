a:ERR_DEP
a:1
a:2
