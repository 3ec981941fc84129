-- The types that are paused.
-- returns: type
SELECT type FROM paused
