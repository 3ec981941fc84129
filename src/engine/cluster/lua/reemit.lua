-- Jobs that wait in vain: their messages are lost, so they are emitted anew.
-- flags: allow-oom
-- request: type, priority, before (emitted before), limit
-- result: how many
-- guarantee: a message that shows up after all has an older emission than the record, and claims nothing.
local results = {}
for index, request in ipairs(requests) do
  local emitted = 0
  local name = names.ready(request.priority, request.type)
  for _, id in ipairs(redis.call('ZRANGE', name, '0', int(request.limit - 1))) do
    local at = tonumber(redis.call('HGET', names.job(id), 'emitted') or '0')
    if at < request.before then
      local job = read(id)
      if job and job.status == 'pending' and not job.held then
        emit(job)
        emitted = emitted + 1
      else
        remove(name, id)
      end
    end
  end
  results[index] = emitted
end
return finish(results)
