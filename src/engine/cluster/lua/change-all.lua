-- Cancels or re-drives jobs that fit a filter and whose state allows it, newest first.
-- flags: allow-oom
-- request: change ('cancel' | 'redrive'), filter, limit
-- result: { how many, 1 where there may be more }
-- guarantee: places of keys are given after all of these changes.
local results = {}
for index, request in ipairs(requests) do
  local cancels = request.change == 'cancel'
  local allowed = cancels and { 'scheduled', 'pending', 'in-progress' } or { 'failed' }
  local found = {}
  for _, status in ipairs(allowed) do
    if not given(request.filter.status) or request.filter.status == status then
      local filter = { status = status, type = request.filter.type, label = request.filter.label }
      for _, one in ipairs(matching(filter, math.huge, request.limit + 1)) do found[#found + 1] = one end
    end
  end
  table.sort(found, function(a, b) return a[2] > b[2] end)
  local changed = 0
  for which = 1, math.min(#found, request.limit) do
    local outcome = cancels and cancel(found[which][1]) or (not cancels and redrive(found[which][1]))
    if outcome == 'applied' then changed = changed + 1 end
  end
  results[index] = { changed, #found > request.limit and 1 or 0 }
end
return finish(results)
