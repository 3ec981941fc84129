-- What the operations share. Put before each of them, so that one operation is one script and one atomic step.
--
-- Every script is called with
--   KEYS[1]  the prefix of all names of this deployment
--   ARGV[1]  the time in ms since the epoch, or '' for this server's own: one authority for all processes
--   ARGV[2]  JSON array of requests; each operation's header says what is in one
-- and answers with { time, results, messages }: one result for each request, and the messages to publish, each
-- { id, emission, seq, createdAt, type, priority, static }, or only { id, emission, seq } of a job that this very call
-- has stored: the caller has the rest.
--
-- `mostEntries`, how many entries a history has, is set before all of this from the limits that hold everywhere.
--
-- What a script changes in an index is gathered and written once for each index at its end. Only what a later
-- request of the same script may read is written at once: the record, the held jobs and the places of keys.

local prefix = KEYS[1]
local requests = cjson.decode(ARGV[2])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local null = cjson.null
local finals = { completed = true, failed = true, cancelled = true }
local statuses = { 'scheduled', 'pending', 'in-progress', 'completed', 'failed', 'cancelled' }
local priorities = { 'high', 'normal', 'low' }
local rank = { high = 0, normal = 1, low = 2 }
-- A held job's score is its priority and its place in the order of submission: 2^45 submits are never reached.
local rankSize = 35184372088832
-- Lua gives one call at most some thousands of arguments.
local most = 1000

-- Numbers as Redis takes them: Lua would write large ones as 2e+15.
local function int(number)
  return string.format('%.0f', number)
end
local nowText = int(now)

-- What JSON has no value for.
local function given(value)
  if value == null then return nil end
  return value
end

local names = {
  job = function(id) return prefix .. 'job:' .. id end,
  gone = function(id) return prefix .. 'gone:' .. id end,
  index = function(status, type) return prefix .. 'index:' .. status .. ':' .. type end,
  ready = function(priority, type) return prefix .. 'ready:' .. priority .. ':' .. type end,
  counts = function(type) return prefix .. 'counts:' .. type end,
  -- Type and key may hold any character, so the length tells them apart.
  key = function(type, key) return #type .. ':' .. type .. ':' .. key end,
  held = function(name) return prefix .. 'held:' .. name end,
  places = function(name) return prefix .. 'key:' .. name end,
  label = function(name, value) return prefix .. 'label:' .. #name .. ':' .. name .. ':' .. value end,
  uses = function(blob) return prefix .. 'uses:' .. blob end,
  once = function(key) return prefix .. 'once:' .. key end,
  leases = prefix .. 'leases',
  scheduled = prefix .. 'scheduled',
  finished = prefix .. 'finished',
  outbox = prefix .. 'outbox',
  types = prefix .. 'types',
  paused = prefix .. 'paused',
  seq = prefix .. 'seq',
  onces = prefix .. 'onces',
  -- How many places each key has, how many jobs have it, and the keys that had too many free places at once.
  placesOf = prefix .. 'places',
  keyed = prefix .. 'keyed',
  unfilled = prefix .. 'unfilled',
  projections = prefix .. 'projections',
  -- The latest jump of the clock by which leases were moved.
  shifted = prefix .. 'shifted',
  events = prefix .. 'events',
}

local adds, removals, counters, changes, messages, freed = {}, {}, {}, {}, {}, {}
-- Jobs that this very call stored: its caller has their static part.
local own = {}
-- The latest place in the order of submission that this call has given, and the types of its jobs.
local seq
local known = {}

local function listOf(all, name)
  local list = all[name]
  if not list then
    list = {}
    all[name] = list
  end
  return list
end

local function add(name, score, member)
  local list = listOf(adds, name)
  list[#list + 1] = int(score)
  list[#list + 1] = member
end

local function remove(name, member)
  local list = listOf(removals, name)
  list[#list + 1] = member
end

local function count(type, field, by)
  local fields = listOf(counters, type)
  fields[field] = (fields[field] or 0) + by
end

-- A list of names and values, one after the other.
local function also(fields, name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

local fieldNames = {
  'type', 'priority', 'work', 'key', 'seq', 'status', 'version', 'attempt', 'max', 'held', 'emission', 'ready',
  'started', 'worker', 'token', 'history', 'entries', 'error', 'created', 'run', 'projection',
}

local numeric = {
  work = true, seq = true, version = true, attempt = true, max = true, emission = true, ready = true, started = true,
  entries = true, run = true,
}

-- The part of a record that decides, with its id, or only the fields that are named; nil where there is no such job.
local function read(id, wanted)
  wanted = wanted or fieldNames
  local values = redis.call('HMGET', names.job(id), unpack(wanted))
  if not values[1] then return nil end
  local job = { id = id }
  for index = 1, #wanted do
    local name, value = wanted[index], values[index]
    if numeric[name] then job[name] = tonumber(value) else job[name] = value or '' end
  end
  job.held = job.held == '1'
  return job
end

-- Of one end of a job: one that ends again has another one.
local function markOf(job)
  return job.id .. ' ' .. int(job.version)
end

local function event(job)
  changes[#changes + 1] = job.id .. ' ' .. job.status .. ' ' .. int(job.version) .. ' ' .. job.type
end

-- The job may be handed out from now on: a message of the next emission makes all earlier ones stale.
local function emit(job)
  if not job.emitted then
    job.emission = (job.emission or 0) + 1
    redis.call('HSET', names.job(job.id), 'emission', int(job.emission), 'emitted', nowText)
  end
  add(names.outbox, now, job.id .. ' ' .. int(job.emission))
  local message = { job.id, job.emission, job.seq }
  if not own[job.id] then
    message[4], message[5], message[6] = job.created, job.type, job.priority
    message[7] = redis.call('HGET', names.job(job.id), 'static')
  end
  messages[#messages + 1] = message
end

local function enterReady(job)
  add(names.ready(job.priority, job.type), job.ready, job.id)
  count(job.type, 'work', job.work)
  emit(job)
end

-- Takes the job out of the indexes of its status.
local function leave(job)
  local status = job.status
  count(job.type, status, -1)
  if status == 'in-progress' then
    remove(names.leases, job.id)
    return
  end
  remove(names.index(status, job.type), job.id)
  if status == 'scheduled' then
    remove(names.scheduled, job.id)
  elseif status ~= 'pending' then
    remove(names.finished, job.id)
  elseif job.held then
    redis.call('ZREM', names.held(names.key(job.type, job.key)), job.id)
    count(job.type, 'held', -1)
  else
    remove(names.ready(job.priority, job.type), job.id)
    count(job.type, 'work', -job.work)
  end
end

-- Puts the job into the indexes of the status that it has now, `at` being when it is due or its lease runs out.
-- A pending one with a key is held, unless it has its place already.
local function enter(job, at)
  local status, type = job.status, job.type
  count(type, status, 1)
  if status == 'in-progress' then
    add(names.leases, at, job.id)
    return
  end
  local name = job.key ~= '' and names.key(type, job.key)
  add(names.index(status, type), job.seq, job.id)
  if status == 'pending' then
    if job.held then
      redis.call('ZADD', names.held(name), int(rank[job.priority] * rankSize + job.seq), job.id)
      count(type, 'held', 1)
      freed[name] = type
    else
      enterReady(job)
    end
    return
  end
  if status == 'scheduled' then
    add(names.scheduled, at, job.id)
  else
    add(names.finished, now, job.id)
    if job.projection ~= '' then redis.call('ZADD', names.projections, int(now), markOf(job)) end
  end
  if name then
    redis.call('SREM', names.places(name), job.id)
    freed[name] = type
  end
end

-- One change of state. `fields` are written into the record with it; `held` where it changes.
local function move(job, to, at, fields, held)
  leave(job)
  if held ~= nil then
    job.held = held
    also(fields, 'held', held and '1' or '')
  end
  job.status = to
  job.version = job.version + 1
  redis.call('HSET', names.job(job.id), 'status', to, 'version', int(job.version), unpack(fields))
  event(job)
  enter(job, at)
end

-- The history with one more entry, and how many it has; the oldest goes where there are too many.
local function withEntry(job, ended)
  local text = cjson.encode({
    attempt = ended.attempt, worker = job.worker, startedAt = ended.startedAt, endedAt = now, outcome = ended.outcome,
    peakMemory = ended.peakMemory,
  })
  if ended.error then text = text:sub(1, -2) .. ',"error":' .. ended.error .. '}' end
  local entries = job.entries or 0
  if entries >= mostEntries then
    local all = cjson.decode(job.history)
    local kept = {}
    for index = #all - mostEntries + 2, #all do kept[#kept + 1] = cjson.encode(all[index]) end
    kept[#kept + 1] = text
    return '[' .. table.concat(kept, ',') .. ']', mostEntries
  end
  if entries == 0 then return '[' .. text .. ']', 1 end
  return job.history:sub(1, -2) .. ',' .. text .. ']', entries + 1
end

-- Notes that the job uses these blobs too; twice is harmless.
local function useBlobs(id, blobs)
  if #blobs == 0 then return end
  local all = cjson.decode(redis.call('HGET', names.job(id), 'blobs') or '[]')
  for _, blob in ipairs(blobs) do
    redis.call('SADD', names.uses(blob), id)
    all[#all + 1] = blob
  end
  redis.call('HSET', names.job(id), 'blobs', cjson.encode(all))
end

-- Why a change that needs the lease of an attempt does not happen, or nil and the job.
local function leased(id, token, wanted)
  local job = read(id, wanted)
  if not job then return 'not-found' end
  if job.status ~= 'in-progress' or job.token ~= token then return 'stale' end
  return nil, job
end

-- Back to pending after an attempt that does not count. What the job had waited stays its wait.
local function handBack(job)
  local started = job.started or now
  local history, entries = withEntry(job, { attempt = job.attempt, startedAt = started, outcome = 'released' })
  job.ready = job.ready + now - started
  count(job.type, 'ended:released', 1)
  move(job, 'pending', nil, {
    'attempt', int(job.attempt - 1), 'token', '', 'ready', int(job.ready), 'history', history, 'entries', int(entries),
  })
end

local function cancel(id)
  local job = read(id)
  if not job then return 'not-found' end
  if finals[job.status] then return 'stale' end
  local fields = { 'finished', int(now), 'token', '', 'run', '' }
  if job.status == 'in-progress' then
    local history, entries =
      withEntry(job, { attempt = job.attempt, startedAt = job.started or now, outcome = 'cancelled' })
    count(job.type, 'ended:cancelled', 1)
    also(fields, 'history', history)
    also(fields, 'entries', int(entries))
  end
  move(job, 'cancelled', nil, fields, false)
  return 'applied'
end

local function redrive(id)
  local job = read(id)
  if not job then return 'not-found' end
  if job.status ~= 'failed' then return 'stale' end
  local attempts = tonumber(redis.call('HGET', names.job(id), 'grant'))
  redis.call('ZREM', names.projections, markOf(job))
  job.ready = now
  local fields = { 'ready', nowText, 'max', int(job.attempt + attempts), 'finished', '', 'error', '' }
  move(job, 'pending', nil, fields, job.key ~= '')
  return 'applied'
end

-- Fills the free places of a key with its held jobs: the higher priority first, then the older job.
local function fill(name)
  local places = tonumber(redis.call('HGET', names.placesOf, name) or '0')
  local free = places - redis.call('SCARD', names.places(name))
  if free <= 0 then return end
  local ids = redis.call('ZRANGE', names.held(name), '0', int(math.min(free, most) - 1))
  for _, id in ipairs(ids) do
    local job = read(id)
    redis.call('ZREM', names.held(name), id)
    if job then
      redis.call('SADD', names.places(name), id)
      redis.call('HSET', names.job(id), 'held', '', 'ready', int(now))
      count(job.type, 'held', -1)
      job.held = false
      job.ready = now
      enterReady(job)
    end
  end
  if #ids == most then redis.call('SADD', names.unfilled, name) end
end

-- Gives on the places that this call's changes have freed. After all of them, so that places go by priority and
-- age whatever the order of the changes was.
local function fillFreed()
  for name in pairs(freed) do fill(name) end
  freed = {}
end

local function inParts(command, name, list, size)
  for from = 1, #list, size do
    redis.call(command, name, unpack(list, from, math.min(from + size - 1, #list)))
  end
end

-- Writes what was gathered, tells the watchers, and makes the answer.
local function finish(results)
  fillFreed()
  for name, list in pairs(removals) do inParts('ZREM', name, list, most) end
  for name, list in pairs(adds) do inParts('ZADD', name, list, most) end
  for type, fields in pairs(counters) do
    for field, by in pairs(fields) do
      -- As floats, which take what a task may count in bytes or nanoseconds: an integer would overflow, and fail here,
      -- where all else is written.
      if by ~= 0 then redis.call('HINCRBYFLOAT', names.counts(type), field, int(by)) end
    end
  end
  if seq then redis.call('SET', names.seq, int(seq)) end
  if #changes > 0 then redis.call('PUBLISH', names.events, cjson.encode(changes)) end
  return { now, results, messages }
end

-- The ids of jobs in one of these statuses that fit, newest first, with their places in the order of submission, and
-- the place to go on from where there may be more. Of a label's jobs it looks at `mostLooked` and no more: then there
-- may be few of them, or none, and more all the same.
local mostLooked = 2000
local function matching(filter, among, before, limit)
  local status, type, label = given(filter.status), given(filter.type), given(filter.label)
  if status then
    local both = {}
    for _, one in ipairs(among) do if one == status then both[1] = one end end
    among = both
  end
  local found = {}
  if label then
    local wanted, looked = {}, 0
    for _, one in ipairs(among) do wanted[one] = true end
    local name = names.label(label.name, label.value)
    while looked < mostLooked do
      local some = redis.call('ZREVRANGEBYSCORE', name, '(' .. int(before), '-inf', 'WITHSCORES', 'LIMIT', '0', '200')
      if #some == 0 then return found end
      for index = 1, #some, 2 do
        before, looked = tonumber(some[index + 1]), looked + 1
        local values = redis.call('HMGET', names.job(some[index]), 'status', 'type')
        if wanted[values[1]] and (not type or values[2] == type) then
          if #found == limit then return found, found[limit][2] end
          found[#found + 1] = { some[index], before }
        end
      end
    end
    return found, before
  end
  local function take(id, seq)
    if seq < before then found[#found + 1] = { id, seq } end
  end
  local types = type and { type } or redis.call('SMEMBERS', names.types)
  for _, one in ipairs(among) do
    if one == 'in-progress' then
      for _, id in ipairs(redis.call('ZRANGE', names.leases, '0', '-1')) do
        local values = redis.call('HMGET', names.job(id), 'type', 'seq')
        if not type or values[1] == type then take(id, tonumber(values[2])) end
      end
    else
      for _, each in ipairs(types) do
        local some = redis.call('ZREVRANGEBYSCORE', names.index(one, each), '(' .. int(before), '-inf', 'WITHSCORES',
          'LIMIT', '0', int(limit + 1))
        for index = 1, #some, 2 do take(some[index], tonumber(some[index + 1])) end
      end
    end
  end
  table.sort(found, function(a, b) return a[2] > b[2] end)
  if #found <= limit then return found end
  for index = #found, limit + 1, -1 do found[index] = nil end
  return found, found[limit][2]
end

local recordNames = {
  'static', 'status', 'version', 'attempt', 'max', 'held', 'created', 'run', 'started', 'finished', 'worker', 'token',
  'progress', 'result', 'blob', 'error', 'history', 'peak', 'seq',
}

-- What readers get of a job, in the order of records.ts; nil where there is none.
local function record(id)
  local values = redis.call('HMGET', names.job(id), unpack(recordNames))
  if not values[1] then return nil end
  for index = 1, #recordNames do values[index] = values[index] or '' end
  return values
end

-- The next place in the order of submission; written once for all of them.
local function nextSeq()
  seq = (seq or tonumber(redis.call('GET', names.seq) or '0')) + 1
  return seq
end

-- Stores a job as it was submitted. A pending one with a key is held until places are given.
local function store(job, created)
  local type, key = job.type, given(job.key) or ''
  local runAt = given(job.runAt)
  local delayed = runAt and runAt > now
  local stored = {
    id = job.id, type = type, priority = job.priority, work = tonumber(job.work), key = key,
    seq = nextSeq(), status = delayed and 'scheduled' or 'pending', version = 1,
    held = not delayed and key ~= '', ready = now, created = int(created), projection = given(job.projection) or '',
  }
  local fields = {
    'static', job.static, 'type', type, 'priority', job.priority, 'work', job.work, 'seq', int(stored.seq),
    'status', stored.status, 'version', '1', 'attempt', '0', 'max', int(job.attempts), 'grant', int(job.attempts),
    'created', int(created), 'ready', int(now),
  }
  if key ~= '' then
    local name = names.key(type, key)
    also(fields, 'key', key)
    also(fields, 'held', stored.held and '1' or '')
    redis.call('HSET', names.placesOf, name, int(job.places))
    redis.call('HINCRBY', names.keyed, name, '1')
    freed[name] = type
  end
  if delayed then also(fields, 'run', int(runAt)) end
  if stored.projection ~= '' then also(fields, 'projection', stored.projection) end
  if #job.labels > 0 then
    also(fields, 'labels', cjson.encode(job.labels))
    for _, label in ipairs(job.labels) do add(names.label(label[1], label[2]), stored.seq, job.id) end
  end
  if #job.blobs > 0 then
    also(fields, 'blobs', cjson.encode(job.blobs))
    for _, blob in ipairs(job.blobs) do redis.call('SADD', names.uses(blob), job.id) end
  end
  if stored.status == 'pending' and not stored.held then
    stored.emission, stored.emitted = 1, true
    also(fields, 'emission', '1')
    also(fields, 'emitted', nowText)
  end
  redis.call('HSET', names.job(job.id), unpack(fields))
  if not known[type] then redis.call('SADD', names.types, type) end
  known[type] = true
  count(type, 'submitted', 1)
  own[job.id] = true
  event(stored)
  return stored, runAt
end
