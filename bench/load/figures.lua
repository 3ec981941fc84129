-- For wrk: all figures as one line of JSON. Scripts take it in by dofile, from this folder.

-- Times of wrk are in microseconds; os.clock is the processor time that wrk itself has used, in seconds.
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local seconds = summary.duration / 1e6
  print(string.format(
    'figures {"requests": %d, "requestsPerSecond": %.1f, "seconds": %.6f, "p50": %.4f, "p99": %.4f, "max": %.4f, '
      .. '"failed": %d, "generatorBusy": %.3f}',
    summary.requests,
    summary.requests / seconds,
    seconds,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    latency.max / 1e3,
    failed,
    os.clock() / seconds
  ))
end
