-- Removes finished jobs, the oldest first, and forgets old keys of submits.
-- flags: allow-oom
-- request: before, keep (absent: any number), limit, stubMs
-- result: { removed, blobs that no job uses any more, 1 where there is more }
-- guarantee: never removes a job that is not finished. One that is removed before its time leaves a stub, so that a
-- late message does not run it again.
local results = {}
local function forget(id, stubMs, blobs)
  local job = read(id)
  if not job then
    remove(names.finished, id)
    return
  end
  local values = redis.call('HMGET', names.job(id), 'labels', 'blobs', 'finished')
  count(job.type, job.status, -1)
  remove(names.index(job.status, job.type), id)
  remove(names.finished, id)
  redis.call('ZREM', names.projections, markOf(job))
  for _, label in ipairs(cjson.decode(values[1] or '[]')) do remove(names.label(label[1], label[2]), id) end
  for _, blob in ipairs(cjson.decode(values[2] or '[]')) do
    redis.call('SREM', names.uses(blob), id)
    blobs[blob] = true
  end
  if job.key ~= '' then
    local name = names.key(job.type, job.key)
    if redis.call('HINCRBY', names.keyed, name, '-1') <= 0 then
      redis.call('HDEL', names.keyed, name)
      redis.call('HDEL', names.placesOf, name)
    end
  end
  redis.call('DEL', names.job(id))
  local stubFor = tonumber(values[3]) + stubMs - now
  if stubFor > 0 then redis.call('SET', names.gone(id), '', 'PX', int(stubFor)) end
end
local function prune(request)
  local limit, keep = request.limit, given(request.keep)
  local found = redis.call('ZRANGEBYSCORE', names.finished, '-inf', '(' .. int(request.before), 'LIMIT', '0', int(limit + 1))
  local surplus = keep and math.min(redis.call('ZCARD', names.finished) - keep, limit + 1) or 0
  if surplus > #found then found = redis.call('ZRANGE', names.finished, '0', int(surplus - 1)) end
  local blobs, unused = {}, {}
  for index = 1, math.min(#found, limit) do forget(found[index], request.stubMs, blobs) end
  for blob in pairs(blobs) do
    if redis.call('EXISTS', names.uses(blob)) == 0 then unused[#unused + 1] = blob end
  end
  local old = redis.call('ZRANGEBYSCORE', names.onces, '-inf', '(' .. int(request.before), 'LIMIT', '0', int(limit + 1))
  for index = 1, math.min(#old, limit) do
    redis.call('DEL', names.once(old[index]))
    redis.call('ZREM', names.onces, old[index])
  end
  return { math.min(#found, limit), unused, (#found > limit or #old > limit) and 1 or 0 }
end
for index, request in ipairs(requests) do results[index] = prune(request) end
return finish(results)
