-- Forgets how many places a key has, where it has no job any more.
-- params: type, key
-- returns: nothing
-- guarantee: a key of which one job is left, finished or not, keeps its number: a redrive asks for it.
DELETE FROM keys WHERE type = :type AND key = :key
  AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_of_key WHERE type = :type AND key = :key)
