-- The messages that nobody has seen confirmed.
-- flags: no-writes
-- request: empty
-- result: { how many, for how long the oldest has waited, in ms }
local results = {}
for index in ipairs(requests) do
  local first = redis.call('ZRANGE', names.outbox, '0', '0', 'WITHSCORES')
  local waited = first[2] and math.max(0, now - tonumber(first[2])) or 0
  results[index] = { redis.call('ZCARD', names.outbox), math.floor(waited) }
end
return { now, results, {} }
