-- scheduled | pending | in-progress → cancelled.
-- flags: allow-oom
-- request: id
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: a final job stays as it is.
local results = {}
for index, request in ipairs(requests) do results[index] = cancel(request.id) end
return finish(results)
