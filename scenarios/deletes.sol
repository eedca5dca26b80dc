a:ERR_KEY
a:http://example.org/#1
a:ERR_KEY
DELETE:(a):TRUE
PUT:(a, http://example.org/#1):TRUE
DELETE:(a):TRUE
