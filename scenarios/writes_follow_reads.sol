question:what-is-a-CSN
PUT:(answer, a-sequence-number):TRUE
PUT:(answer, a-sequence-number):TRUE
PUT:(question, what-is-a-CSN):TRUE
answer:a-commit-sequence-number
