-- Notes of ends of jobs that they were told elsewhere, or puts them off.
-- flags: allow-oom
-- request: ends
-- Each end: { mark, in how many ms it may be told again, or -1 where it was told }.
-- result: nothing
-- guarantee: an end that is no longer to be told is not put back.
local results = {}
for index, request in ipairs(requests) do
  for _, one in ipairs(request.ends) do
    if one[2] < 0 then
      redis.call('ZREM', names.projections, one[1])
    else
      redis.call('ZADD', names.projections, 'XX', int(now + one[2]), one[1])
    end
  end
  results[index] = 0
end
return { now, results, {} }
