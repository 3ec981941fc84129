-- One stretch of a list by label.
-- params: name, value, status (or NULL), type (or NULL), before, limit
-- returns: seq, highest first
-- guarantee: reads only jobs that have the label.
SELECT jobs.seq FROM labels CROSS JOIN jobs ON jobs.seq = labels.seq
WHERE labels.name = :name AND labels.value = :value AND labels.seq < :before
  AND (:status IS NULL OR +jobs.status = :status) AND (:type IS NULL OR +jobs.type = :type)
ORDER BY labels.seq DESC LIMIT :limit
