-- Forgets which blobs some jobs use.
-- params: seqs (JSON array)
-- returns: nothing
DELETE FROM blob_uses WHERE seq IN (SELECT value FROM json_each(:seqs))
