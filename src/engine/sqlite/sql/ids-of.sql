-- The ids of some jobs.
-- params: seqs (JSON array)
-- returns: id, highest seq first
SELECT id FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq DESC
