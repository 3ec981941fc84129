-- Forgets the labels of some jobs.
-- params: seqs (JSON array)
-- returns: nothing
DELETE FROM labels WHERE seq IN (SELECT value FROM json_each(:seqs))
