-- Whether old submits are still remembered.
-- params: before
-- returns: one row with any, 0 or 1
SELECT EXISTS (SELECT 1 FROM submits WHERE at < :before) AS any
