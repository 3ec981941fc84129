-- The types of which there are jobs in a status.
-- params: status
-- returns: type, ascending
-- guarantee: jumps from type to type, so its cost is the number of types, not of jobs.
WITH RECURSIVE types (type) AS (
  SELECT min(type) FROM jobs WHERE status = :status
  UNION ALL
  SELECT (SELECT min(jobs.type) FROM jobs WHERE jobs.status = :status AND jobs.type > types.type)
  FROM types WHERE types.type IS NOT NULL
)
SELECT type FROM types WHERE type IS NOT NULL
