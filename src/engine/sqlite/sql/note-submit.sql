-- Remembers a submit under its key.
-- params: key, fingerprint, jobs (JSON array of ids), now
-- returns: nothing
-- guarantee: a key that is there already fails the statement.
INSERT INTO submits (key, fingerprint, jobs, at) VALUES (:key, :fingerprint, :jobs, :now)
