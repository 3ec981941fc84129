-- failed → pending, with as many more attempts as a new job gets.
-- flags: none
-- request: id
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: the history and the number of attempts stay; the error is cleared.
local results = {}
for index, request in ipairs(requests) do results[index] = redrive(request.id) end
return finish(results)
