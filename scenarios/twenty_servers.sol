song19:url19
song0:url0
PUT:(song0, url0):TRUE
PUT:(song1, url1):TRUE
PUT:(song2, url2):TRUE
PUT:(song3, url3):TRUE
PUT:(song4, url4):TRUE
PUT:(song5, url5):TRUE
PUT:(song6, url6):TRUE
PUT:(song7, url7):TRUE
PUT:(song8, url8):TRUE
PUT:(song9, url9):TRUE
PUT:(song10, url10):TRUE
PUT:(song11, url11):TRUE
PUT:(song12, url12):TRUE
PUT:(song13, url13):TRUE
PUT:(song14, url14):TRUE
PUT:(song15, url15):TRUE
PUT:(song16, url16):TRUE
PUT:(song17, url17):TRUE
PUT:(song18, url18):TRUE
PUT:(song19, url19):TRUE
