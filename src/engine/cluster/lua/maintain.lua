-- Releases due jobs, expires leases that ran out, and goes on with keys that had too many free places at once.
-- flags: allow-oom
-- request: limit (of each kind), error (JSON of the failure that a lost lease is)
-- result: { released, expired, in how many ms the next job is due or -1 }
-- guarantee: the attempt of a lost lease counts, so that a job that kills its workers comes to an end; one that had
-- not begun is released uncounted, while its history has room. Safe to run from several places at once.
local function expire(request, id)
  local job = read(id)
  if not job or job.status ~= 'in-progress' then
    remove(names.leases, id)
    return
  end
  if not job.started and (job.entries or 0) < mostEntries then
    handBack(job)
    return
  end
  local started = job.started or now
  local history, entries =
    withEntry(job, { attempt = job.attempt, startedAt = started, outcome = 'expired', error = request.error })
  job.ready = job.ready + now - started
  count(job.type, 'ended:expired', 1)
  local dead = job.attempt >= job.max
  move(job, dead and 'failed' or 'pending', nil, {
    'error', request.error, 'token', '', 'history', history, 'entries', int(entries), 'ready', int(job.ready),
    'finished', dead and int(now) or '',
  })
end
local request = requests[1] -- several are the same: the first does it all
local due = redis.call('ZRANGEBYSCORE', names.scheduled, '-inf', int(now), 'LIMIT', '0', int(request.limit))
for _, id in ipairs(due) do
  local job = read(id)
  if job and job.status == 'scheduled' then
    job.ready = job.run
    move(job, 'pending', nil, { 'run', '', 'ready', int(job.ready) }, job.key ~= '')
  else
    remove(names.scheduled, id)
  end
end
local lost = redis.call('ZRANGEBYSCORE', names.leases, '-inf', int(now), 'LIMIT', '0', int(request.limit))
for _, id in ipairs(lost) do expire(request, id) end
for _, name in ipairs(redis.call('SPOP', names.unfilled, '10')) do freed[name] = true end
local answer = finish({})
local next = redis.call('ZRANGE', names.scheduled, '0', '0', 'WITHSCORES')
local nextDue = next[2] and math.max(0, tonumber(next[2]) - now) or -1
for index in ipairs(requests) do
  answer[2][index] = { index == 1 and #due or 0, index == 1 and #lost or 0, nextDue }
end
return answer
