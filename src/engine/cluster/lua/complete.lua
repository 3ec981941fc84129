-- in-progress → completed.
-- flags: allow-oom
-- request: id, token, result (JSON), blob, peak, ranMs, blobs
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: of all attempts of a job at most one gets its result in. The entry of this attempt in the history
-- is made by its readers, from the record.
local results = {}
local function complete(request)
  local refusal, job = leased(request.id, request.token)
  if refusal then return refusal end
  local ran, peak = given(request.ranMs), given(request.peak)
  local started = job.started or (ran and now - ran) or now
  local fields = {
    'result', given(request.result) or '', 'blob', given(request.blob) or '', 'error', '', 'finished', int(now),
    'started', int(started), 'token', '',
  }
  if peak then
    fields[#fields + 1] = 'peak'
    fields[#fields + 1] = int(peak)
  end
  if #request.blobs > 0 then
    local name = names.job(request.id)
    local all = cjson.decode(redis.call('HGET', name, 'blobs') or '[]')
    for _, blob in ipairs(request.blobs) do
      redis.call('SADD', names.uses(blob), request.id)
      all[#all + 1] = blob
    end
    redis.call('HSET', name, 'blobs', cjson.encode(all))
  end
  count(job.type, 'ended:completed', 1)
  count(job.type, 'ran', ran or 0)
  count(job.type, 'done', job.work)
  move(job, 'completed', nil, fields)
  return 'applied'
end
for index, request in ipairs(requests) do results[index] = complete(request) end
return finish(results)
