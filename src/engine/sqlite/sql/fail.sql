-- in-progress → scheduled where runAt is given, else → failed.
-- params: id, token, error (JSON), runAt (or NULL), peakMemory (or NULL), ranMs, now
-- returns: one change where the token holds the lease, else nothing
-- guarantee: only the attempt that holds the lease can fail the job.
UPDATE jobs
SET status = iif(:runAt IS NULL, 4, 0), version = version + 1, run_at = :runAt, finished_at = iif(:runAt IS NULL, :now, NULL),
    error = :error, started_at = coalesce(started_at, :now - :ranMs), token = NULL, lease_until = NULL,
    history = with_attempt(history, attempt, worker, coalesce(started_at, :now - :ranMs), :now, 'failed', :error, :peakMemory)
WHERE id = :id AND status = 2 AND token = :token
RETURNING id, type, status, version, work, priority, key
