-- pending → in-progress, of jobs that RabbitMQ delivered.
-- flags: allow-oom
-- request: worker, token, leaseMs, begins (how many attempts begin at once), keepForMs, jobs
-- Each job: { id, emission, emittedAt, createdAt }.
-- result: for each job { version, attempt, max, history, error }, without the last two where both are empty | 'stale' |
--   'paused' | 'gone': the record is not there and the message is young enough for it to be made anew |
--   'expired': nor is it young enough
-- guarantee: a job is leased to one attempt at a time; a message older than the record's emission claims nothing. Its
-- token is that of the request, a hyphen and the id of the job.
local results, paused, handedOut = {}, {}, {}
local wanted = {
  'status', 'held', 'emission', 'type', 'priority', 'work', 'seq', 'version', 'attempt', 'max', 'history', 'error',
}
local function isPaused(type)
  if paused[type] == nil then paused[type] = redis.call('SISMEMBER', names.paused, type) == 1 end
  return paused[type]
end
local function claim(request, id, emission, emittedAt, createdAt, begun)
  local job = read(id, wanted)
  if not job then
    if redis.call('EXISTS', names.gone(id)) == 1 then return 'stale' end
    if createdAt + request.keepForMs < now then return 'expired' end
    return 'gone'
  end
  if job.status ~= 'pending' or job.held or emission < job.emission then return 'stale' end
  if isPaused(job.type) then return 'paused' end
  local attempt = job.attempt + 1
  local fields = { 'attempt', int(attempt), 'worker', request.worker, 'token', request.token .. '-' .. id }
  if begun then also(fields, 'started', nowText) end
  -- What the attempt before has left.
  if job.version > 1 then
    if not begun then also(fields, 'started', '') end
    also(fields, 'progress', '')
  end
  move(job, 'in-progress', now + request.leaseMs, fields)
  -- Up to when messages were given out: one that was emitted long before and still waits is lost.
  local marks = listOf(handedOut, job.type)
  marks[job.priority] = math.max(marks[job.priority] or 0, emittedAt)
  if job.history == '' and job.error == '' then return { job.version, attempt, job.max } end
  return { job.version, attempt, job.max, job.history, job.error }
end
for index, request in ipairs(requests) do
  local answers = {}
  for which, job in ipairs(request.jobs) do
    answers[which] = claim(request, job[1], job[2], job[3], job[4], which <= request.begins)
  end
  results[index] = answers
end
for type, marks in pairs(handedOut) do
  for priority, mark in pairs(marks) do redis.call('HSET', names.counts(type), 'claimed:' .. priority, int(mark)) end
end
return finish(results)
