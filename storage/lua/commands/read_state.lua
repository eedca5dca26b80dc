-- The vectors and counters of one moment.
--
-- KEYS[1]  the namespace's prefix
-- Returns JSON {meta, vector, committed_vector, omitted_vector, tentative, clock, retired}: the first four as flat lists of names
-- and values, then how many writes are tentative, the clock as text, and a list of the minted ids that have retired. One text is
-- read faster than thousands of entries.

return cjson.encode({
  meta = redis.call('HGETALL', K.meta),
  vector = redis.call('HGETALL', K.vector),
  committed_vector = redis.call('HGETALL', K.committed_vector),
  omitted_vector = redis.call('HGETALL', K.omitted_vector),
  tentative = redis.call('ZCARD', K.tentative),
  clock = redis.call('GET', K.clock),
  retired = redis.call('SMEMBERS', K.retired),
})
