-- Members of an index whose job is gone.
-- flags: no-writes
-- request: name (without the prefix), cursor
-- result: { the next cursor, or '0' where all were seen, ids }
local results = {}
for index, request in ipairs(requests) do
  local name = prefix .. request.name
  local sorted = redis.call('TYPE', name).ok == 'zset'
  local page = redis.call(sorted and 'ZSCAN' or 'SSCAN', name, request.cursor, 'COUNT', '200')
  local gone = {}
  for at = 1, #page[2], sorted and 2 or 1 do
    local id = page[2][at]
    if redis.call('EXISTS', names.job(id)) == 0 then gone[#gone + 1] = id end
  end
  results[index] = { page[1], gone }
end
return { now, results, {} }
