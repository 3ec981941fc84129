-- How many jobs of a key may have a place at a time: the latest submit says it for all.
-- params: type, key, places
-- returns: nothing
INSERT INTO keys (type, key, places) VALUES (:type, :key, :places)
ON CONFLICT (type, key) DO UPDATE SET places = excluded.places
