-- Moves the ends of all leases, after the clock of Redis was set forward or back.
-- flags: allow-oom
-- request: byMs
-- result: how many
-- guarantee: a worker that goes on renewing never loses its lease to the clock. Two who have seen the same jump move
-- the leases once.
local results = {}
for index, request in ipairs(requests) do
  local last = tonumber(redis.call('GET', names.shifted) or '')
  local all = {}
  if not last or math.abs(last - request.byMs) >= 1000 then
    redis.call('SET', names.shifted, int(request.byMs), 'PX', '20000')
    all = redis.call('ZRANGE', names.leases, '0', '-1', 'WITHSCORES')
  end
  for which = 1, #all, 2 do add(names.leases, tonumber(all[which + 1]) + request.byMs, all[which]) end
  results[index] = #all / 2
end
return finish(results)
