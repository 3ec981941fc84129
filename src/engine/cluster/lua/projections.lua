-- Jobs that ended and whose end has not been delivered to where their projection says.
-- flags: no-writes
-- request: limit
-- result: a list of { id, projection }
local results = {}
for index, request in ipairs(requests) do
  local all = {}
  for _, id in ipairs(redis.call('ZRANGE', names.projections, '0', int(request.limit - 1))) do
    all[#all + 1] = { id, redis.call('HGET', names.job(id), 'projection') or '' }
  end
  results[index] = all
end
return { now, results, {} }
