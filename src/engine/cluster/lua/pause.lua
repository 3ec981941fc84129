-- Stops the hand-out of a type, or goes on with it.
-- flags: allow-oom
-- request: type, paused
-- result: 'applied'
-- guarantee: again is harmless. Every process is told by an event without a job.
local results = {}
for index, request in ipairs(requests) do
  local changed = redis.call(request.paused and 'SADD' or 'SREM', names.paused, request.type)
  if request.paused then redis.call('SADD', names.types, request.type) end
  if changed == 1 then event({ id = '', status = request.paused and 'paused' or 'resumed', version = 0, type = request.type }) end
  results[index] = 'applied'
end
return finish(results)
