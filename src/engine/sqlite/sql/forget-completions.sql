-- Forgets completions of jobs that are removed: those older than the end of every finished job that is left.
-- params: limit
-- returns: nothing
-- guarantee: reads at most limit of them, and leaves those of the jobs that are there.
DELETE FROM completions
WHERE number IN (SELECT number FROM completions ORDER BY number LIMIT :limit)
  AND at < (SELECT coalesce(min(finished_at), 9e15) FROM jobs INDEXED BY jobs_finished WHERE status >= 3)
