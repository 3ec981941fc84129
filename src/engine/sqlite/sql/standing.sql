-- What decides when a job gets its turn.
-- params: id
-- returns: seq, type, status, priority, readyAt, key and held, or nothing
SELECT seq, type, status, priority, ready_at AS readyAt, key, held FROM jobs WHERE id = :id
