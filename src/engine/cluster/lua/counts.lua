-- The counts of every type.
-- flags: no-writes
-- request: empty
-- result: a list of { type, 1 where it is paused, since when the oldest waits or '', names and values }
local results = {}
for index in ipairs(requests) do
  local all = {}
  for _, type in ipairs(redis.call('SMEMBERS', names.types)) do
    local oldest = ''
    for _, priority in ipairs(priorities) do
      local first = redis.call('ZRANGE', names.ready(priority, type), '0', '0', 'WITHSCORES')
      if first[2] and (oldest == '' or tonumber(first[2]) < tonumber(oldest)) then oldest = first[2] end
    end
    all[#all + 1] = {
      type, redis.call('SISMEMBER', names.paused, type), oldest, redis.call('HGETALL', names.counts(type)),
    }
  end
  results[index] = all
end
return { now, results, {} }
