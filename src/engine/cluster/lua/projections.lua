-- Jobs that ended and whose end has not been delivered to where their projection says.
-- flags: no-writes
-- request: limit
-- result: a list of { id, projection, mark: of this end }
local results = {}
for index, request in ipairs(requests) do
  local all = {}
  for _, mark in ipairs(redis.call('ZRANGE', names.projections, '0', int(request.limit - 1))) do
    local id = mark:match('^%S+')
    all[#all + 1] = { id, redis.call('HGET', names.job(id), 'projection') or '', mark }
  end
  results[index] = all
end
return { now, results, {} }
