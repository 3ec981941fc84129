-- in-progress → pending where attempts are left, else → failed, of the leases that ran out.
-- params: upTo (monotonic), error (JSON), now
-- returns: one change each
-- What the job had waited before stays its wait.
-- guarantee: the attempt counts, so that a job that kills its workers comes to an end. Reads expired leases only.
UPDATE jobs INDEXED BY jobs_leased
SET status = iif(attempt < max_attempts, 1, 4), version = version + 1,
    ready_at = ready_at + :now - started_at,
    finished_at = iif(attempt < max_attempts, NULL, :now), error = :error, token = NULL, lease_until = NULL,
    history = with_attempt(history, attempt, worker, started_at, :now, 'expired', :error, NULL)
WHERE status = 2 AND lease_until <= :upTo
RETURNING id, type, status, version, work, priority, key
