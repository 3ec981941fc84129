-- Since when the pending job of a type has waited that has waited longest.
-- params: type
-- returns: one row with at, NULL where none is pending
-- guarantee: reads one entry of the index, however many jobs are pending.
SELECT min(ready_at) AS at FROM jobs INDEXED BY jobs_waiting WHERE status = 1 AND type = :type
