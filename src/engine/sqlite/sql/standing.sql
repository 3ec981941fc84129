-- What decides when a job gets its turn.
-- params: id
-- returns: seq, type, status, priority, key and held, or nothing
SELECT seq, type, status, priority, key, held FROM jobs WHERE id = :id
