-- Stores one job, as pending or, with runAt, as scheduled; a submit of several runs this for each within its transaction.
-- params: id, type, input, inputBlob (exactly one of the two not NULL), retry (JSON), timeoutMs, maxAttempts, work, priority, key (or NULL), labels (JSON), projection (or NULL), runAt (or NULL), now
-- returns: nothing; the job's version is 1, and with a key it is held until it gets a place
-- guarantee: an id that is there already fails the statement, and with it the whole submit.
INSERT INTO jobs (id, type, status, version, input, input_blob, retry, timeout_ms, attempt, max_attempts, created_at,
  ready_at, run_at, work, priority, key, held, labels, projection, history)
VALUES (:id, :type, iif(:runAt IS NULL, 1, 0), 1, :input, :inputBlob, :retry, :timeoutMs, 0, :maxAttempts, :now,
  :now, :runAt, :work, :priority, :key, iif(:runAt IS NULL AND :key IS NOT NULL, 1, 0), :labels, :projection, '[]')
