-- failed → pending, with as many more attempts as the retry policy grants a new job.
-- params: id, now
-- returns: one change where the job had failed, else nothing
-- guarantee: the history and the number of attempts stay; the error is cleared.
UPDATE jobs
SET status = 1, held = (key IS NOT NULL), ready_at = :now, version = version + 1, max_attempts = attempt + (retry ->> '$.attempts'), finished_at = NULL, error = NULL,
    tell_at = 0
WHERE id = :id AND status = 4
RETURNING id, type, status, version, work, priority, key
