-- How many jobs are handed out before one, of its own type and priority.
-- params: type, priority, readyAt, seq, limit
-- returns: one row with jobs, at most limit
SELECT count(*) AS jobs FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_ready
  WHERE status = 1 AND held = 0 AND type = :type AND priority = :priority AND (ready_at, seq) < (:readyAt, :seq)
  LIMIT :limit
)
