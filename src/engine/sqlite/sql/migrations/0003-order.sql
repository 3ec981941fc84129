-- The order in which jobs are handed out: priorities, delays, keys, paused types; what jobs are found by: labels,
-- the keys of their submits; and which blobs they use.
--
-- A priority is a number, fixed for ever by the map in rows.ts: 0 high, 1 normal, 2 low.
-- `held` is 1 where a pending job waits for a place of its key. The jobs that have a place are those with held = 0
-- that are pending or in progress: they are counted, never remembered as a number that could drift.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 2);
ALTER TABLE jobs ADD COLUMN key TEXT;
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1));
ALTER TABLE jobs ADD COLUMN labels TEXT NOT NULL DEFAULT '{}'; -- JSON object of strings

-- Every change of a row computed it, read or not. Statements that return it say so themselves (rows.ts).
ALTER TABLE jobs DROP COLUMN record;

-- What a claim reads: of each type and priority the job that has waited longest. Held jobs are no part of it. How
-- long a type has waited is one entry of it too, of each priority.
DROP INDEX jobs_waiting;
CREATE INDEX jobs_ready ON jobs (type, priority, ready_at) WHERE status = 1 AND held = 0;

-- The jobs of a key: those that have a place, and those that wait for one in the order in which they get it.
CREATE INDEX jobs_keyed ON jobs (type, key, held, priority, seq) WHERE key IS NOT NULL AND status IN (1, 2);

-- All jobs of a key, finished ones too: whether one is left when retention removes others.
CREATE INDEX jobs_of_key ON jobs (type, key) WHERE key IS NOT NULL;

-- How many places a key has, as its latest submit said.
CREATE TABLE keys (type TEXT NOT NULL, key TEXT NOT NULL, places INTEGER NOT NULL, PRIMARY KEY (type, key))
STRICT, WITHOUT ROWID;

CREATE TABLE paused (type TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Submits that may be repeated: the same key and fingerprint give the same jobs again.
CREATE TABLE submits (
  key TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  jobs TEXT NOT NULL, -- JSON array of ids
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX submits_by_age ON submits (at);

CREATE TABLE labels (name TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, value, seq))
STRICT, WITHOUT ROWID;
CREATE INDEX labels_of ON labels (seq);

-- Which blobs a job's input and result name. A blob that no job uses is garbage once it is old enough.
CREATE TABLE blob_uses (blob TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (blob, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX blob_uses_of ON blob_uses (seq);

-- Jobs that are older than this table keep their blobs: those that hold their input or result, and whatever those
-- name by an id. A text that only looks like one names no blob, and costs a row.
INSERT OR IGNORE INTO blob_uses (blob, seq) SELECT input_blob, seq FROM jobs WHERE input_blob IS NOT NULL;
INSERT OR IGNORE INTO blob_uses (blob, seq) SELECT result_blob, seq FROM jobs WHERE result_blob IS NOT NULL;
INSERT OR IGNORE INTO blob_uses (blob, seq)
SELECT entry.atom, jobs.seq FROM jobs, json_tree(jobs.input) AS entry
WHERE entry.type = 'text' AND entry.atom GLOB '????????-????-7???-????-????????????';
INSERT OR IGNORE INTO blob_uses (blob, seq)
SELECT entry.atom, jobs.seq FROM jobs, json_tree(jobs.result) AS entry
WHERE entry.type = 'text' AND entry.atom GLOB '????????-????-7???-????-????????????';

-- Finished jobs, oldest end first: what retention reads.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE status >= 3;
