-- in-progress → completed, of any number of jobs.
-- params: ends (JSON array), now
-- Each end is an object with id, token, result and resultBlob, exactly one of which is not null, peakMemory and ranMs.
-- returns: one change of each job whose lease its token holds, in no particular order
-- guarantee: of all attempts of a job, at most one gets its result in.
-- The plus keeps the planner from reading all running jobs to find these few.
UPDATE jobs
SET status = 3, version = version + 1, result = ended.result, result_blob = ended.blob, error = NULL,
    finished_at = :now, started_at = coalesce(started_at, :now - ended.ran), token = NULL, lease_until = NULL,
    history = with_attempt(history, attempt, worker, coalesce(started_at, :now - ended.ran), :now, 'completed', NULL,
      ended.peak)
FROM (
  SELECT value ->> 'id' AS id, value ->> 'token' AS token, value ->> 'result' AS result,
    value ->> 'resultBlob' AS blob, value ->> 'peakMemory' AS peak,
    CAST(value ->> 'ranMs' AS INTEGER) AS ran
  FROM json_each(:ends)
) AS ended
WHERE jobs.id = ended.id AND +jobs.status = 2 AND jobs.token = ended.token
RETURNING id, type, status, version, work, priority, key
