-- A page of jobs, newest first.
-- flags: no-writes
-- request: filter, before (a place in the order of submission), limit, bytes
-- result: { records, 1 where there are more }
-- A page ends early where its records are larger than `bytes` together.
local results = {}
for index, request in ipairs(requests) do
  local found = matching(request.filter, given(request.before) or math.huge, request.limit + 1)
  local records, bytes = {}, 0
  for which = 1, math.min(#found, request.limit) do
    if bytes >= request.bytes then break end
    local one = record(found[which][1])
    records[#records + 1] = one
    for _, value in ipairs(one) do bytes = bytes + #value end
  end
  results[index] = { records, #found > #records and 1 or 0 }
end
return { now, results, {} }
