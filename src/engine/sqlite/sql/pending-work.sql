-- The work of the pending jobs of each type: read once, when the file is opened.
-- returns: type, work
-- guarantee: reads pending jobs only.
SELECT type, sum(work) AS work FROM jobs INDEXED BY jobs_waiting WHERE status = 1 GROUP BY type
