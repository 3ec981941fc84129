-- Which blobs no job uses.
-- flags: no-writes
-- request: blobs
-- result: those of them that no job uses
local results = {}
for index, request in ipairs(requests) do
  local unused = {}
  for _, blob in ipairs(request.blobs) do
    if redis.call('EXISTS', names.uses(blob)) == 0 then unused[#unused + 1] = blob end
  end
  results[index] = unused
end
return { now, results, {} }
