-- The finished jobs that ended first.
-- params: before, limit
-- returns: seq
-- guarantee: reads only the entries that it returns.
SELECT seq FROM jobs INDEXED BY jobs_finished WHERE status >= 3 AND finished_at < :before ORDER BY finished_at LIMIT :limit
