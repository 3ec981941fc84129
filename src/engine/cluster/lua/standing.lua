-- A job, and what it waits for.
-- flags: no-writes
-- request: id, limit
-- result: { record, 1 where its type is paused, jobs ahead, taken places or -1, places } or an empty list
local results = {}
local function standing(request)
  local job = read(request.id)
  if not job then return {} end
  local ahead, taken, places = 0, -1, 0
  local name = job.key ~= '' and names.key(job.type, job.key)
  if job.status == 'pending' then
    local set = job.held and names.held(name) or names.ready(job.priority, job.type)
    ahead = math.min(redis.call('ZRANK', set, job.id) or 0, request.limit)
  end
  if name then
    taken = redis.call('SCARD', names.places(name))
    places = tonumber(redis.call('HGET', names.placesOf, name) or '0')
  end
  return { record(job.id), redis.call('SISMEMBER', names.paused, job.type), ahead, taken, places }
end
for index, request in ipairs(requests) do results[index] = standing(request) end
return { now, results, {} }
