-- pending → in-progress, of jobs that RabbitMQ delivered.
-- flags: allow-oom
-- request: id, emission, emittedAt, createdAt, worker, token, leaseMs, begun, keepForMs
-- result: { 'claimed', version, attempt, max, created, history, error, token, now } | { 'stale' } | { 'paused' } |
--   { 'gone' }: the record is not there and the message is young enough for it to be made anew |
--   { 'expired' }: nor is it young enough
-- guarantee: a job is leased to one attempt at a time; a message older than the record's emission claims nothing.
local results, paused, handedOut = {}, {}, {}
local function isPaused(type)
  if paused[type] == nil then paused[type] = redis.call('SISMEMBER', names.paused, type) == 1 end
  return paused[type]
end
local function claim(request)
  local id = request.id
  local job = read(id)
  if not job then
    if redis.call('EXISTS', names.gone(id)) == 1 then return { 'stale' } end
    if request.createdAt + request.keepForMs < now then return { 'expired' } end
    return { 'gone' }
  end
  if job.status ~= 'pending' or job.held or request.emission < job.emission then return { 'stale' } end
  if isPaused(job.type) then return { 'paused' } end
  local attempt = job.attempt + 1
  local token = request.token .. '-' .. int(job.seq)
  leave(job)
  job.status = 'in-progress'
  job.version = job.version + 1
  redis.call('HSET', names.job(id), 'status', 'in-progress', 'version', int(job.version), 'attempt', int(attempt),
    'worker', request.worker, 'token', token, 'started', request.begun and int(now) or '', 'progress', '')
  event(job)
  enter(job, now + request.leaseMs)
  -- Up to when messages were given out: one that was emitted long before and still waits is lost.
  local marks = listOf(handedOut, job.type)
  marks[job.priority] = math.max(marks[job.priority] or 0, request.emittedAt)
  return { 'claimed', job.version, attempt, job.max, job.created, job.history, job.error, token, int(now) }
end
for index, request in ipairs(requests) do results[index] = claim(request) end
for type, marks in pairs(handedOut) do
  for priority, mark in pairs(marks) do redis.call('HSET', names.counts(type), 'claimed:' .. priority, int(mark)) end
end
return finish(results)
