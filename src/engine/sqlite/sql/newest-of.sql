-- One stretch of a filtered list: the jobs of one status and type.
-- params: status, type, before, limit
-- returns: seq, highest first
-- guarantee: reads only the entries that it returns, however rare the combination is.
SELECT seq FROM jobs WHERE status = :status AND type = :type AND seq < :before ORDER BY seq DESC LIMIT :limit
