-- How many jobs of each type and priority may be claimed, and their work: read once, when the file is opened.
-- returns: type, priority, jobs, work
-- guarantee: reads such jobs only.
SELECT type, priority, count(*) AS jobs, sum(work) AS work FROM jobs INDEXED BY jobs_ready
WHERE status = 1 AND held = 0 GROUP BY type, priority
