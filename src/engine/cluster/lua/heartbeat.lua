-- Renews leases, stores progress, and notes which attempts have begun.
-- flags: allow-oom
-- request: id, token, leaseMs, progress (JSON), startedAt
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: a lease that was given to another attempt is never renewed. The version stays: no state changed.
local results = {}
for index, request in ipairs(requests) do
  local values = redis.call('HMGET', names.job(request.id), 'status', 'token', 'started', 'type', 'version')
  if not values[1] then
    results[index] = 'not-found'
  elseif values[1] ~= 'in-progress' or values[2] ~= request.token then
    results[index] = 'stale'
  else
    add(names.leases, now + request.leaseMs, request.id)
    local progress, startedAt = given(request.progress), given(request.startedAt)
    if startedAt and (values[3] or '') == '' then redis.call('HSET', names.job(request.id), 'started', int(startedAt)) end
    if progress then
      redis.call('HSET', names.job(request.id), 'progress', progress)
      -- Without progress there is nothing that a watcher could see.
      event({ id = request.id, type = values[4], status = 'in-progress', version = tonumber(values[5]) })
    end
    results[index] = 'applied'
  end
end
return finish(results)
