-- Notes that ends of jobs were delivered to where their projection says.
-- flags: allow-oom
-- request: marks (see projections.lua)
-- result: 'done'
local results = {}
for index, request in ipairs(requests) do
  for _, mark in ipairs(request.marks) do remove(names.projections, mark) end
  results[index] = 'done'
end
return finish(results)
