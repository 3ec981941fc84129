-- pending → in-progress.
-- params: seqs (JSON array), begun (JSON array), worker, token (unique to this call), now, leaseUntil (monotonic)
-- returns: id, type, version, work, priority, key, seq and record of each job, in no particular order: RETURNING ignores ORDER BY, so the caller sorts
-- The attempts of the seqs in `begun` begin now; the others when they say so, and have no started_at until then.
-- guarantee: a job that is not pending is left alone. Each lease's token is unique for ever.
-- The plus keeps the planner from reading all pending jobs to find these few.
UPDATE jobs
SET status = 2, version = version + 1, attempt = attempt + 1, worker = :worker, token = :token || '-' || seq,
    lease_until = :leaseUntil, started_at = iif(seq IN (SELECT value FROM json_each(:begun)), :now, NULL), progress = NULL
WHERE seq IN (SELECT value FROM json_each(:seqs)) AND +status = 1
RETURNING id, type, version, work, priority, key, seq, $record AS record
