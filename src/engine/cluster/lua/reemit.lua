-- Jobs that wait in vain: their messages are lost, so they are emitted anew.
-- flags: allow-oom
-- request: type, priority, before (emitted before), from (a place in the order of waiting), limit
-- result: { how many were looked at, how many were emitted }
-- guarantee: a message that shows up after all has an older emission than the record, and claims nothing.
local results = {}
for index, request in ipairs(requests) do
  local emitted = 0
  local name = names.ready(request.priority, request.type)
  local ids = redis.call('ZRANGE', name, int(request.from), int(request.from + request.limit - 1))
  for _, id in ipairs(ids) do
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
  results[index] = { #ids, emitted }
end
return finish(results)
