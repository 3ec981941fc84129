-- Whether the counts agree with the indexes.
-- flags: no-writes
-- request: empty
-- result: { jobs, completions, what is wrong }
-- guarantee: all are seen at one moment. The work of what waits is added up where that is soon done.
local function counted(type)
  local fields, values = redis.call('HGETALL', names.counts(type)), {}
  for at = 1, #fields, 2 do values[fields[at]] = tonumber(fields[at + 1]) end
  return function(name) return values[name] or 0 end
end
local found, jobs, completions, running, later, ended = {}, 0, 0, 0, 0, 0
local function expect(what, wanted, there)
  if wanted ~= there then found[#found + 1] = what .. ': counted ' .. int(wanted) .. ', found ' .. int(there) end
end
for _, type in ipairs(redis.call('SMEMBERS', names.types)) do
  local of = counted(type)
  for _, status in ipairs(statuses) do
    jobs = jobs + of(status)
    if status ~= 'in-progress' then
      expect(type .. ' ' .. status, of(status), redis.call('ZCARD', names.index(status, type)))
    end
  end
  local ready, work = 0, 0
  for _, priority in ipairs(priorities) do ready = ready + redis.call('ZCARD', names.ready(priority, type)) end
  expect(type .. ' held', of('held'), of('pending') - ready)
  if ready <= most then
    for _, priority in ipairs(priorities) do
      for _, id in ipairs(redis.call('ZRANGE', names.ready(priority, type), '0', '-1')) do
        work = work + tonumber(redis.call('HGET', names.job(id), 'work') or '0')
      end
    end
    expect(type .. ' work', of('work'), work)
  end
  if of('completed') > of('ended:completed') then
    expect(type .. ' completions, of jobs that are completed', of('ended:completed'), of('completed'))
  end
  completions = completions + of('ended:completed')
  running, later = running + of('in-progress'), later + of('scheduled')
  ended = ended + of('completed') + of('failed') + of('cancelled')
end
expect('leases', running, redis.call('ZCARD', names.leases))
expect('due later', later, redis.call('ZCARD', names.scheduled))
expect('finished', ended, redis.call('ZCARD', names.finished))
return { now, { { jobs, completions, found } }, {} }
