-- Notes of ends of jobs that they were told elsewhere, or puts them off.
-- params: ends (JSON array)
-- Each end is an object with id, version and again: until when it is put off, or null where it was told.
-- returns: nothing
-- guarantee: an end that was told stays so, and of a job that has ended again the later end is left alone.
-- The plus keeps the planner from reading all of them to find these few.
UPDATE jobs SET tell_at = ended.again
FROM (
  SELECT value ->> 'id' AS id, value ->> 'version' AS version, value ->> 'again' AS again FROM json_each(:ends)
) AS ended
WHERE jobs.id = ended.id AND jobs.version = ended.version AND +jobs.status >= 3 AND +tell_at IS NOT NULL
