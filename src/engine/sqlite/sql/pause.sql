-- Stops the hand-out of a type.
-- params: type, now
-- returns: nothing
INSERT OR IGNORE INTO paused (type, at) VALUES (:type, :now)
