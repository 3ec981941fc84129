-- Since when the job of a type and priority has waited that has waited longest, of those that may be claimed.
-- params: type, priority
-- returns: one row with at, NULL where there is none
-- guarantee: reads one entry of the index, however many jobs wait.
SELECT min(ready_at) AS at FROM jobs INDEXED BY jobs_ready
WHERE status = 1 AND held = 0 AND type = :type AND priority = :priority
