-- The blobs that some jobs use.
-- params: seqs (JSON array)
-- returns: blob, once for each job that uses it
SELECT blob FROM blob_uses INDEXED BY blob_uses_of WHERE seq IN (SELECT value FROM json_each(:seqs))
