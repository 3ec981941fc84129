-- scheduled | pending | in-progress → cancelled.
-- params: id, now
-- returns: one change where the job was not final, else nothing
-- guarantee: a running attempt loses its lease in the same moment, and cannot publish a result any more.
UPDATE jobs
SET status = 5, version = version + 1, held = 0, finished_at = :now, run_at = NULL, token = NULL, lease_until = NULL,
    history = iif(status = 2,
      with_attempt(history, attempt, worker, coalesce(started_at, :now), :now, 'cancelled', NULL, NULL), history)
WHERE id = :id AND status IN (0, 1, 2)
RETURNING id, type, status, version, work, priority, key
