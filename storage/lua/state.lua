-- The vectors and counters of one moment.
--
-- KEYS[1]  the namespace's prefix
-- Returns {meta, V, C, O, tentative writes, clock, retired minted ids}; the first four as flat HGETALL lists.

return {
  redis.call('HGETALL', K.meta),
  redis.call('HGETALL', K.vector),
  redis.call('HGETALL', K.committed_vector),
  redis.call('HGETALL', K.omitted_vector),
  redis.call('ZCARD', K.tentative),
  redis.call('GET', K.clock),
  redis.call('SMEMBERS', K.retired),
}
