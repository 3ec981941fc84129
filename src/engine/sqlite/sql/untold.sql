-- Ends of jobs that are to be told elsewhere, and may be now.
-- params: now, limit
-- returns: id, version and projection; first those that were never put off, the oldest end first
-- guarantee: reads only the entries that it returns.
SELECT id, version, projection FROM jobs INDEXED BY jobs_untold
WHERE projection IS NOT NULL AND status >= 3 AND tell_at <= :now ORDER BY tell_at, finished_at LIMIT :limit
