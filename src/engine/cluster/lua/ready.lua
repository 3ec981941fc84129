-- What waits to be handed out, by type and priority, of types that are not paused.
-- flags: no-writes
-- request: empty
-- result: for each type { name, how many wait, of each priority, when the latest that was claimed was emitted, of each }
local results = {}
for index in ipairs(requests) do
  local all = {}
  for _, type in ipairs(redis.call('SMEMBERS', names.types)) do
    if redis.call('SISMEMBER', names.paused, type) == 0 then
      local waiting, claimed = {}, {}
      for which, priority in ipairs(priorities) do
        waiting[which] = redis.call('ZCARD', names.ready(priority, type))
        claimed[which] = redis.call('HGET', names.counts(type), 'claimed:' .. priority) or '0'
      end
      all[#all + 1] = { type, waiting, claimed }
    end
  end
  results[index] = all
end
return { now, results, {} }
