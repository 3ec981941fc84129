-- Goes on with the hand-out of a type.
-- params: type
-- returns: nothing
DELETE FROM paused WHERE type = :type
