-- Touches the store.
-- returns: one row
-- guarantee: reads one entry, however many jobs there are.
SELECT max(seq) AS newest FROM jobs
