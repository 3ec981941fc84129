-- One job.
-- params: id
-- returns: its record, or nothing
SELECT record FROM jobs WHERE id = :id
