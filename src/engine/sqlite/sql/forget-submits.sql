-- Forgets the keys of old submits.
-- params: before, limit
-- returns: nothing
DELETE FROM submits WHERE key IN (SELECT key FROM submits WHERE at < :before ORDER BY at LIMIT :limit)
