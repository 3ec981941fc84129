-- An earlier submit of the same key.
-- params: key
-- returns: fingerprint and jobs (JSON array of ids), or nothing
SELECT fingerprint, jobs FROM submits WHERE key = :key
