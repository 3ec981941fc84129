-- For wrk: GET /convert/ with temperatures from 0 to 1001, made beforehand, and all figures as one line of JSON.

local requests = {}
local next = 0

function init()
  math.randomseed(7)
  for i = 1, 1000 do
    requests[i] = wrk.format("GET", string.format("/convert/?fahrenheit=%.2f", math.random() * 1001))
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end

-- Times of wrk are in microseconds; os.clock is the processor time that wrk itself has used, in seconds.
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local seconds = summary.duration / 1e6
  print(string.format(
    'figures {"requestsPerSecond": %.1f, "p50": %.4f, "p99": %.4f, "failed": %d, "generatorBusy": %.3f}',
    summary.requests / seconds,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    failed,
    os.clock() / seconds
  ))
end
