-- Ends of jobs that are to be told elsewhere, and may be now; the one that may be for longest first.
-- flags: no-writes
-- request: limit
-- result: a list of { id, projection, mark: of this end }
local results = {}
for index, request in ipairs(requests) do
  local all = {}
  for _, mark in ipairs(redis.call('ZRANGEBYSCORE', names.projections, '-inf', nowText, 'LIMIT', '0', int(request.limit))) do
    local id = mark:match('^%S+')
    all[#all + 1] = { id, redis.call('HGET', names.job(id), 'projection') or '', mark }
  end
  results[index] = all
end
return { now, results, {} }
