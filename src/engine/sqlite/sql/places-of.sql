-- How many places a key has.
-- params: type, key
-- returns: places, or nothing
SELECT places FROM keys WHERE type = :type AND key = :key
