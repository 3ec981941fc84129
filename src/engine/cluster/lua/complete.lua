-- in-progress → completed.
-- flags: allow-oom
-- request: id, token, result (JSON), blob, peak, ranMs, blobs
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: of all attempts of a job at most one gets its result in. The entry of this attempt in the history
-- is made by its readers, from the record.
local results = {}
local wanted = { 'status', 'token', 'type', 'key', 'seq', 'version', 'work', 'started', 'projection' }
local function complete(request)
  local refusal, job = leased(request.id, request.token, wanted)
  if refusal then return refusal end
  local ran, peak, blob = given(request.ranMs), given(request.peak), given(request.blob)
  local fields = { 'result', given(request.result) or '', 'error', '', 'finished', nowText, 'token', '' }
  if not job.started then also(fields, 'started', int(ran and now - ran or now)) end
  if blob then also(fields, 'blob', blob) end
  if peak then also(fields, 'peak', int(peak)) end
  useBlobs(request.id, request.blobs)
  count(job.type, 'ended:completed', 1)
  count(job.type, 'ran', ran or 0)
  count(job.type, 'done', job.work)
  move(job, 'completed', nil, fields)
  return 'applied'
end
for index, request in ipairs(requests) do results[index] = complete(request) end
return finish(results)
