-- Where one job is in its life cycle.
-- params: id
-- returns: status and held, or nothing
SELECT status, held FROM jobs WHERE id = :id
