-- Stores jobs anew whose records are gone, from the messages that were to hand them out: Redis lost them.
-- flags: allow-oom
-- request: job (as in submit.lua), createdAt, emission, emittedAt
-- result: 'revived' | 'known': there is a record, or there was one until it was pruned
-- guarantee: the job is pending again with the emission of its message; it has its place, as it was released.
local results = {}
for index, request in ipairs(requests) do
  local job = request.job
  results[index] = 'known'
  if redis.call('EXISTS', names.job(job.id), names.gone(job.id)) == 0 then
    job.runAt = nil
    local stored = store(job, request.createdAt)
    stored.held = false
    redis.call('HSET', names.job(job.id), 'held', '', 'emission', int(request.emission), 'emitted', int(request.emittedAt))
    if stored.key ~= '' then redis.call('SADD', names.places(names.key(stored.type, stored.key)), job.id) end
    count(stored.type, 'pending', 1)
    count(stored.type, 'work', stored.work)
    add(names.index('pending', stored.type), stored.seq, job.id)
    add(names.ready(stored.priority, stored.type), stored.ready, job.id)
    results[index] = 'revived'
  end
end
return finish(results)
