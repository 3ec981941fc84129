-- Whether jobs are in the indexes of their status, and in no others.
-- flags: no-writes
-- request: ids
-- result: a list of { record, blobs that it is noted to use (JSON), pairs of the promise that is broken and how }
-- guarantee: each record is seen together with its indexes, also while other processes change them.
local results = {}
local function differences(job)
  local found = {}
  local function expect(promise, what, wanted, there)
    if there == wanted then return end
    found[#found + 1] = promise
    found[#found + 1] = job.status .. ', and ' .. (wanted and 'not ' or '') .. what
  end
  local function inSet(name)
    return redis.call('ZSCORE', name, job.id) ~= false
  end
  for _, status in ipairs(statuses) do
    if status ~= 'in-progress' then
      expect('indexes', 'listed as ' .. status, job.status == status, inSet(names.index(status, job.type)))
    end
  end
  local ready = job.status == 'pending' and not job.held
  for _, priority in ipairs(priorities) do
    expect('indexes', 'ready as ' .. priority, ready and job.priority == priority,
      inSet(names.ready(priority, job.type)))
  end
  expect('leases', 'among the leases', job.status == 'in-progress', inSet(names.leases))
  expect('indexes', 'among those that are due later', job.status == 'scheduled', inSet(names.scheduled))
  expect('indexes', 'among the finished', finals[job.status] == true, inSet(names.finished))
  if job.key ~= '' then
    local name = names.key(job.type, job.key)
    expect('keys', 'waiting for a place of its key', job.status == 'pending' and job.held, inSet(names.held(name)))
    expect('keys', 'on a place of its key', ready or job.status == 'in-progress',
      redis.call('SISMEMBER', names.places(name), job.id) == 1)
  end
  local values = redis.call('HMGET', names.job(job.id), 'labels', 'blobs')
  for _, label in ipairs(cjson.decode(values[1] or '[]')) do
    expect('labels', 'found by its label ' .. label[1], true, inSet(names.label(label[1], label[2])))
  end
  for _, blob in ipairs(cjson.decode(values[2] or '[]')) do
    expect('uses', 'noted as a user of blob ' .. blob, true,
      redis.call('SISMEMBER', names.uses(blob), job.id) == 1)
  end
  return { record(job.id), values[2] or '[]', found }
end
for index, request in ipairs(requests) do
  results[index] = {}
  for _, id in ipairs(request.ids) do
    local job = read(id)
    if job then results[index][#results[index] + 1] = differences(job) end
  end
end
return { now, results, {} }
