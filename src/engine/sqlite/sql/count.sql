-- How many jobs there are of each status and type: read once, when the file is opened.
-- returns: status, type, jobs
SELECT status, type, count(*) AS jobs FROM jobs GROUP BY status, type
