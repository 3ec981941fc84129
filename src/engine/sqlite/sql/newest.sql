-- A page of a list without filters.
-- params: before, limit
-- returns: seq, highest first
SELECT seq FROM jobs WHERE seq < :before ORDER BY seq DESC LIMIT :limit
