-- in-progress → pending where attempts are left, else → failed, of the leases that ran out.
-- params: upTo (monotonic), error (JSON), room, now
-- returns: one change each, with `ended`: the outcome of the attempt
-- What the job had waited before stays its wait.
-- guarantee: the attempt counts, so that a job that kills its workers comes to an end. One that had not begun is
-- released, uncounted, while the history has fewer entries than `room`. Reads expired leases only.
UPDATE jobs INDEXED BY jobs_leased
SET status = iif(attempt < max_attempts OR (started_at IS NULL AND json_array_length(history) < :room), 1, 4),
    version = version + 1, attempt = attempt - (started_at IS NULL AND json_array_length(history) < :room),
    ready_at = ready_at + :now - coalesce(started_at, :now),
    finished_at = iif(attempt < max_attempts OR (started_at IS NULL AND json_array_length(history) < :room), NULL, :now),
    error = iif(started_at IS NULL AND json_array_length(history) < :room, error, :error),
    token = NULL, lease_until = NULL,
    history = iif(started_at IS NULL AND json_array_length(history) < :room,
      with_attempt(history, attempt, worker, :now, :now, 'released', NULL, NULL),
      with_attempt(history, attempt, worker, coalesce(started_at, :now), :now, 'expired', :error, NULL))
WHERE status = 2 AND lease_until <= :upTo
RETURNING id, type, status, version, work, priority, key, history ->> '$[#-1].outcome' AS ended
