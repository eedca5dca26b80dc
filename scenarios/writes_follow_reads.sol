a:question
PUT:(a, question):TRUE
PUT:(a, answer):TRUE
