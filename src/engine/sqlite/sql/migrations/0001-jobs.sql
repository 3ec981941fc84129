-- The jobs, and the audit of their completions.
--
-- A status is a number, fixed for ever by the map in rows.ts:
--   0 scheduled, 1 pending, 2 in-progress, 3 completed, 4 failed, 5 cancelled.
-- Wall-clock times are integers, in milliseconds since the epoch. lease_until is a reading of the owner
-- process's monotonic clock, which means nothing to the next owner: opening expires every lease it finds.
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY, -- grows with submission: claims hand out the lowest first, lists show the highest first
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 5),
  version INTEGER NOT NULL,
  input TEXT, -- JSON; NULL where input_blob names the blob that holds it
  input_blob TEXT,
  retry TEXT NOT NULL, -- JSON of the retry policy
  timeout_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 0),
  max_attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  run_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  worker TEXT,
  token TEXT,
  lease_until REAL,
  progress TEXT, -- JSON
  result TEXT, -- JSON; NULL where there is none yet or result_blob names the blob
  result_blob TEXT,
  error TEXT, -- JSON of the latest failure
  history TEXT NOT NULL, -- JSON array of ended attempts, oldest first
  -- What a reader gets of a job, as one value: fetching a column costs the library more than SQLite needs for
  -- all of this, and one string crosses between threads at a tenth of the price of a row.
  record TEXT GENERATED ALWAYS AS (
    json_object(
      'seq', seq, 'id', id, 'type', type, 'status', status, 'version', version, 'input', input,
      'inputBlob', input_blob, 'retry', retry, 'timeoutMs', timeout_ms, 'attempt', attempt,
      'maxAttempts', max_attempts, 'createdAt', created_at, 'runAt', run_at, 'startedAt', started_at,
      'finishedAt', finished_at, 'worker', worker, 'token', token, 'progress', progress, 'result', result,
      'resultBlob', result_blob, 'error', error, 'history', history
    )
  ) VIRTUAL,
  CHECK ((input IS NULL) <> (input_blob IS NULL)),
  CHECK ((status = 0) = (run_at IS NOT NULL)),
  CHECK ((status = 2) = (token IS NOT NULL)),
  CHECK ((status = 2) = (lease_until IS NOT NULL)),
  CHECK ((status >= 3) = (finished_at IS NOT NULL)),
  CHECK ((status = 3) = (result IS NOT NULL OR result_blob IS NOT NULL))
) STRICT;

-- Claims and filtered lists: a claim reads the start of the (pending, type) stretch, which finished jobs are
-- no part of, so that history costs it nothing. Lists merge the ends of the stretches that they ask for.
CREATE INDEX jobs_by_status ON jobs (status, type, seq);

-- Delayed jobs have an index of their own: a claim never has to step over them.
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE status = 0;

CREATE INDEX jobs_leased ON jobs (lease_until) WHERE status = 2;

-- One row for each time that a job became completed, whatever statement did it: a second row of a job would be
-- a result published twice, and shows even if the guard of an operation were missing.
CREATE TABLE completions (
  number INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  token TEXT, -- of the lease that completed; NULL where there was none, which no operation allows
  at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER jobs_completed AFTER UPDATE OF status ON jobs WHEN new.status = 3
BEGIN
  INSERT INTO completions (job, attempt, token, at) VALUES (new.id, new.attempt, old.token, new.finished_at);
END;
