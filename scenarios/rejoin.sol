a:1
PUT:(a, 1):TRUE
PUT:(a, 2):TRUE
