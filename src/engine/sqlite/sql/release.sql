-- in-progress → pending, uncounted.
-- params: id, token, now
-- returns: one change where the token holds the lease, else nothing
-- What it has waited so far stays its wait; the time of the attempt is none.
-- guarantee: the attempt that was handed back does not use up one of the job's attempts.
UPDATE jobs
SET status = 1, version = version + 1, attempt = attempt - 1, token = NULL, lease_until = NULL,
    ready_at = ready_at + :now - coalesce(started_at, :now),
    history = with_attempt(history, attempt, worker, coalesce(started_at, :now), :now, 'released', NULL, NULL)
WHERE id = :id AND status = 2 AND token = :token
RETURNING id, type, status, version, work, priority, key
