-- What a claim may take of one type and priority.
-- params: type, priority, limit
-- returns: seq and readyAt, those that have waited longest first
-- guarantee: reads only the entries that it returns, however many jobs are finished, delayed or held.
SELECT seq, ready_at AS readyAt FROM jobs INDEXED BY jobs_ready
WHERE status = 1 AND held = 0 AND type = :type AND priority = :priority ORDER BY ready_at, seq LIMIT :limit
