-- Which of some blobs are used by any job.
-- params: blobs (JSON array, each once)
-- returns: blob
SELECT value AS blob FROM json_each(:blobs) AS entry
WHERE EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.blob = entry.value)
