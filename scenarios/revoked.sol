PUT:(a, old):TRUE
PUT:(a, new):TRUE
PUT:(a, new):TRUE
PUT:(a, old):TRUE
a:old
