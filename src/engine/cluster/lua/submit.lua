-- Stores all jobs of each submit, or none of them.
-- flags: none
-- request: jobs, once, mostUnsent
-- Each job: id, type, priority, work, key, places, runAt, labels (pairs), blobs, attempts, projection, static (JSON).
-- `once`: key, fingerprint, onlyKnown.
-- result: { 'stored', held flags, or none where no job has a key } | { 'repeated', records } | { 'conflict' } | { 'unknown' } | { 'exists', id } |
--   { 'full' }: so many messages wait for RabbitMQ that no more are taken
-- guarantee: of submits with the same key one is stored, whoever sends them.
local results = {}
local function submit(request)
  local once = given(request.once)
  if once then
    local known = redis.call('HMGET', names.once(once.key), 'fingerprint', 'jobs')
    if known[1] then
      if known[1] ~= once.fingerprint then return { 'conflict' } end
      local records = {}
      for _, id in ipairs(cjson.decode(known[2])) do records[#records + 1] = record(id) end
      return { 'repeated', records }
    end
    if given(once.onlyKnown) then return { 'unknown' } end
  end
  if redis.call('ZCARD', names.outbox) >= request.mostUnsent then return { 'full' } end
  local ids, seen, keyed = {}, {}, false
  for index, job in ipairs(request.jobs) do
    if seen[job.id] or redis.call('EXISTS', names.job(job.id)) == 1 then return { 'exists', job.id } end
    seen[job.id] = true
    keyed = keyed or given(job.key) ~= nil
    ids[index] = job.id
  end
  for _, job in ipairs(request.jobs) do
    local stored, runAt = store(job, now)
    enter(stored, runAt)
  end
  fillFreed()
  if once then
    redis.call('HSET', names.once(once.key), 'fingerprint', once.fingerprint, 'jobs', cjson.encode(ids))
    redis.call('ZADD', names.onces, int(now), once.key)
  end
  if not keyed then return { 'stored' } end
  local held = {}
  for index, job in ipairs(request.jobs) do
    held[index] = given(job.key) and redis.call('HGET', names.job(job.id), 'held') or ''
  end
  return { 'stored', held }
end
for index, request in ipairs(requests) do results[index] = submit(request) end
return finish(results)
