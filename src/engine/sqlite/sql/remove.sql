-- Removes finished jobs.
-- params: seqs (JSON array)
-- returns: type, status and key of each
-- guarantee: a job that is not final is left alone.
DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs)) AND +status >= 3
RETURNING type, status, key
