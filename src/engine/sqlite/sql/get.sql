-- One job.
-- params: id
-- returns: its record, or nothing
SELECT $record AS record FROM jobs WHERE id = :id
