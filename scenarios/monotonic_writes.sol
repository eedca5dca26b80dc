r1 ERR_DEP
PUT:(text, second-version):TRUE
PUT:(text, first-version):TRUE
text:first-version
text:third-version
