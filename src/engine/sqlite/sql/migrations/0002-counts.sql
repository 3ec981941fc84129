-- What counts need: how much work a job is, in units of its type, and since when a pending job has waited.
ALTER TABLE jobs ADD COLUMN work INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN ready_at INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET ready_at = created_at;

-- The longest wait of a type is one entry's, however many jobs are pending.
CREATE INDEX jobs_waiting ON jobs (type, ready_at) WHERE status = 1;
