-- By whom the end of a job is told elsewhere, and from when on it may be: 0 from its end on, later where it was put
-- off, NULL where it was told. It says something of a final job with a projection only.
ALTER TABLE jobs ADD COLUMN projection TEXT;
ALTER TABLE jobs ADD COLUMN tell_at INTEGER DEFAULT 0;

-- Other jobs are no part of it, so that it costs them nothing.
CREATE INDEX jobs_untold ON jobs (tell_at, finished_at)
WHERE projection IS NOT NULL AND status >= 3 AND tell_at IS NOT NULL;
