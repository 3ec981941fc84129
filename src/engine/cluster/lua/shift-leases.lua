-- Moves the ends of all leases, after the clock of Redis was set forward or back.
-- flags: allow-oom
-- request: byMs
-- result: how many
-- guarantee: a worker that goes on renewing never loses its lease to the clock.
local results = {}
for index, request in ipairs(requests) do
  local all = redis.call('ZRANGE', names.leases, '0', '-1', 'WITHSCORES')
  for which = 1, #all, 2 do add(names.leases, tonumber(all[which + 1]) + request.byMs, all[which]) end
  results[index] = #all / 2
end
return finish(results)
