-- in-progress → scheduled where retryInMs is given, else → failed.
-- flags: allow-oom
-- request: id, token, error (JSON), retryInMs, peak, ranMs, blobs
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: only the attempt that holds the lease can fail the job. What the error names of the blobs is kept as
-- long as the job is, also where it runs again.
local results = {}
local function fail(request)
  local refusal, job = leased(request.id, request.token)
  if refusal then return refusal end
  local ran, retryIn = given(request.ranMs), given(request.retryInMs)
  local started = job.started or (ran and now - ran) or now
  local history, entries = withEntry(job, {
    attempt = job.attempt, startedAt = started, outcome = 'failed', error = request.error,
    peakMemory = given(request.peak),
  })
  local runAt = retryIn and math.ceil(now + retryIn)
  useBlobs(request.id, request.blobs)
  count(job.type, 'ended:failed', 1)
  move(job, runAt and 'scheduled' or 'failed', runAt, {
    'error', request.error, 'started', int(started), 'token', '', 'history', history, 'entries', int(entries),
    'run', runAt and int(runAt) or '', 'finished', runAt and '' or int(now),
  })
  return 'applied'
end
for index, request in ipairs(requests) do results[index] = fail(request) end
return finish(results)
