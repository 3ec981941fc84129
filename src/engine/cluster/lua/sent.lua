-- Forgets messages that RabbitMQ has confirmed.
-- flags: allow-oom
-- request: entries (of the outbox)
-- result: 'done'
local results = {}
for index, request in ipairs(requests) do
  for _, entry in ipairs(request.entries) do remove(names.outbox, entry) end
  results[index] = 'done'
end
return finish(results)
