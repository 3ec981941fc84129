-- scheduled → pending, of the jobs whose moment has come.
-- params: now, limit
-- returns: one change each
-- Those with a key are held until they get a place.
-- guarantee: those that waited longest come first, so that a limit starves nobody.
-- INDEXED BY: without it the planner takes the index by status, and sorts all delayed jobs.
UPDATE jobs SET status = 1, version = version + 1, ready_at = run_at, run_at = NULL, held = (key IS NOT NULL)
WHERE seq IN (
  SELECT seq FROM jobs INDEXED BY jobs_scheduled WHERE status = 0 AND run_at <= :now ORDER BY run_at LIMIT :limit
)
RETURNING id, type, status, version, work, priority, key
