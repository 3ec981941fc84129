-- What a claim may take of one type.
-- params: type, limit
-- returns: seq, lowest first
-- guarantee: reads only the entries that it returns, however many jobs are finished or delayed.
SELECT seq FROM jobs WHERE status = 1 AND type = :type ORDER BY seq LIMIT :limit
