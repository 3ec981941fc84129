-- in-progress → completed.
-- params: id, token, result, resultBlob (exactly one of the two not NULL), peakMemory (or NULL), now
-- returns: one change where the token holds the lease, else nothing
-- guarantee: of all attempts of a job, at most one gets its result in.
UPDATE jobs
SET status = 3, version = version + 1, result = :result, result_blob = :resultBlob, error = NULL, finished_at = :now,
    token = NULL, lease_until = NULL,
    history = with_attempt(history, attempt, worker, started_at, :now, 'completed', NULL, :peakMemory)
WHERE id = :id AND status = 2 AND token = :token
RETURNING id, type, status, version, work, priority, key
