-- Makes a job findable by its labels.
-- params: id, labels (JSON object)
-- returns: nothing
INSERT INTO labels (name, value, seq)
SELECT entry.key, entry.value, jobs.seq FROM jobs, json_each(:labels) AS entry WHERE jobs.id = :id
