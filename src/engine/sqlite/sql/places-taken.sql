-- How many jobs of a key have a place: pending and not held, or in progress.
-- params: type, key
-- returns: one row with taken
-- guarantee: reads only them, however many wait.
SELECT count(*) AS taken FROM jobs INDEXED BY jobs_keyed
WHERE type = :type AND key = :key AND held = 0 AND key IS NOT NULL AND status IN (1, 2)
