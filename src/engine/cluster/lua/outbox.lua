-- Messages that nobody has seen confirmed for so long that whoever was to publish them must be gone.
-- flags: allow-oom
-- request: olderThanMs, limit
-- result: how many were taken
-- guarantee: entries whose job waits no more, or has a later emission, are dropped; the others count as sent now,
-- so that two leaders do not send them again and again.
local results = {}
for index, request in ipairs(requests) do
  local entries = redis.call('ZRANGEBYSCORE', names.outbox, '-inf', int(now - request.olderThanMs), 'LIMIT', '0',
    int(request.limit))
  for _, entry in ipairs(entries) do
    local id, emission = entry:match('^(%S+) (%d+)$')
    local job = read(id)
    if job and job.status == 'pending' and not job.held and job.emission == tonumber(emission) then
      add(names.outbox, now, entry)
      redis.call('HSET', names.job(id), 'emitted', int(now))
      messages[#messages + 1] =
        { id, job.emission, job.seq, job.created, job.type, job.priority, redis.call('HGET', names.job(id), 'static') }
    else
      remove(names.outbox, entry)
    end
  end
  results[index] = #entries
end
return finish(results)
