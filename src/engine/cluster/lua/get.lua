-- Records of jobs.
-- flags: no-writes
-- request: id
-- result: the record, or an empty list where there is none
local results = {}
for index, request in ipairs(requests) do results[index] = record(request.id) or {} end
return { now, results, {} }
