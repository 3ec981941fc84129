-- When the next delayed job is due.
-- returns: one row with at, NULL where no job is scheduled
-- guarantee: reads one entry of the index, however many jobs are delayed.
SELECT min(run_at) AS at FROM jobs INDEXED BY jobs_scheduled WHERE status = 0
