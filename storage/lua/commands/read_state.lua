-- Reads the identity, the vectors and the counters, all from one moment.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- Returns JSON {meta, vector, committed_vector, omitted_vector, tentative, set_aside, clock, retired, apps}. The first four
-- are flat lists of names and values. `tentative` and `set_aside` count such writes, `clock` is the last stamp as text,
-- `retired` lists the minted ids (LABEL~NONCE) of the servers that have retired, and `apps` the applications of the log.
-- All is one text, because a client reads that faster than thousands of entries. Changes nothing.

return cjson.encode({
  meta = redis.call('HGETALL', K.meta),
  vector = redis.call('HGETALL', K.vector),
  committed_vector = redis.call('HGETALL', K.committed_vector),
  omitted_vector = redis.call('HGETALL', K.omitted_vector),
  tentative = redis.call('ZCARD', K.tentative),
  set_aside = redis.call('LLEN', K.set_aside),
  clock = redis.call('GET', K.clock),
  retired = redis.call('SMEMBERS', K.retired),
  apps = redis.call('SMEMBERS', K.log_applications),
})
