-- Where one job is in its life cycle.
-- params: id
-- returns: status, or nothing
SELECT status FROM jobs WHERE id = :id
