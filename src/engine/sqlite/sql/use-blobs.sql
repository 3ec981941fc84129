-- Notes the blobs that a job uses.
-- params: id, blobs (JSON array)
-- returns: nothing; a use that is known stays as it is
INSERT OR IGNORE INTO blob_uses (blob, seq)
SELECT entry.value, jobs.seq FROM jobs, json_each(:blobs) AS entry WHERE jobs.id = :id
