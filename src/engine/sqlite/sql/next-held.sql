-- Who gets the next places of a key: the higher priority first, then the older job.
-- params: type, key, limit
-- returns: seq
-- guarantee: reads only the entries that it returns.
SELECT seq FROM jobs INDEXED BY jobs_keyed
WHERE type = :type AND key = :key AND held = 1 AND key IS NOT NULL AND status IN (1, 2)
ORDER BY priority, seq LIMIT :limit
