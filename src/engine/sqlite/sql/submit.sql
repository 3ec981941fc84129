-- Stores one job as pending; a submit of several runs this for each within its transaction.
-- params: id, type, input, inputBlob (exactly one of the two not NULL), retry (JSON), timeoutMs, maxAttempts, work, now
-- returns: nothing; the job's version is 1
-- guarantee: an id that is there already fails the statement, and with it the whole submit.
INSERT INTO jobs (id, type, status, version, input, input_blob, retry, timeout_ms, attempt, max_attempts, created_at, ready_at, work, history)
VALUES (:id, :type, 1, 1, :input, :inputBlob, :retry, :timeoutMs, 0, :maxAttempts, :now, :now, :work, '[]')
