-- A page of jobs, newest first.
-- flags: no-writes
-- request: filter, before (a place in the order of submission), limit, bytes
-- result: { records, the place to go on from, or -1 where there are no more }
-- A page ends early where its records are larger than `bytes` together.
local results = {}
for index, request in ipairs(requests) do
  local found, next = matching(request.filter, statuses, given(request.before) or math.huge, request.limit)
  local records, bytes = {}, 0
  for which, one in ipairs(found) do
    if bytes >= request.bytes then
      next = found[which - 1][2]
      break
    end
    local values = record(one[1])
    records[#records + 1] = values
    for _, value in ipairs(values) do bytes = bytes + #value end
  end
  results[index] = { records, next or -1 }
end
return { now, results, {} }
