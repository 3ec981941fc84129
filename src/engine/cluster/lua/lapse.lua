-- Lets the leases of a process that is gone run out now.
-- flags: allow-oom
-- request: process
-- result: how many
-- guarantee: the leases are only shortened: who renews one in time keeps it, and expiring is left to maintain.lua.
local results = {}
for index, request in ipairs(requests) do
  local lapsed = 0
  for _, id in ipairs(redis.call('ZRANGE', names.leases, '0', '-1')) do
    local worker = redis.call('HGET', names.job(id), 'worker')
    -- A process may have several workers: their names go on after a colon.
    if worker and (worker == request.process or worker:sub(1, #request.process + 1) == request.process .. ':') then
      add(names.leases, now, id)
      lapsed = lapsed + 1
    end
  end
  results[index] = lapsed
end
return finish(results)
