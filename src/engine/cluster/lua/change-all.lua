-- Cancels or re-drives jobs that fit a filter and whose state allows it, newest first.
-- flags: allow-oom
-- request: change ('cancel' | 'redrive'), filter, before (a place in the order of submission), limit
-- result: { how many, the place to go on from, or -1 where there are no more }
-- guarantee: places of keys are given after all of these changes.
local results = {}
for index, request in ipairs(requests) do
  local cancels = request.change == 'cancel'
  local among = cancels and { 'scheduled', 'pending', 'in-progress' } or { 'failed' }
  local found, next = matching(request.filter, among, given(request.before) or math.huge, request.limit)
  local changed = 0
  for _, one in ipairs(found) do
    local outcome = cancels and cancel(one[1]) or (not cancels and redrive(one[1]))
    if outcome == 'applied' then changed = changed + 1 end
  end
  results[index] = { changed, next or -1 }
end
return finish(results)
