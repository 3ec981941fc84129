-- in-progress → pending, uncounted: the worker hands the job back unfinished.
-- flags: allow-oom
-- request: id, token
-- result: 'applied' | 'stale' | 'not-found'
-- guarantee: the attempt does not use up one of the job's attempts; the job keeps the place of its key.
local results = {}
for index, request in ipairs(requests) do
  local refusal, job = leased(request.id, request.token)
  if not refusal then handBack(job) end
  results[index] = refusal or 'applied'
end
return finish(results)
