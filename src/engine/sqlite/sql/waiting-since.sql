-- Since when the job of a type has waited that has waited longest, of those that may be claimed.
-- params: type
-- returns: one row with at, NULL where there is none
-- guarantee: reads one entry of the index, however many jobs wait.
SELECT min(ready_at) AS at FROM jobs INDEXED BY jobs_waiting WHERE status = 1 AND held = 0 AND type = :type
