-- Gives held jobs their places: from now on they may be claimed.
-- params: seqs (JSON array), now
-- returns: type, priority and work of each
-- guarantee: a job that is not held is left alone. The version stays: no state changed.
UPDATE jobs SET held = 0, ready_at = :now
WHERE seq IN (SELECT value FROM json_each(:seqs)) AND held = 1
RETURNING type, priority, work
