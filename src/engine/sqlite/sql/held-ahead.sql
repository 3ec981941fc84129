-- How many held jobs get a place of their key before one.
-- params: type, key, priority, seq, limit
-- returns: one row with jobs, at most limit
SELECT count(*) AS jobs FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_keyed
  WHERE type = :type AND key = :key AND held = 1 AND key IS NOT NULL AND status IN (1, 2)
    AND (priority, seq) < (:priority, :seq) LIMIT :limit
)
