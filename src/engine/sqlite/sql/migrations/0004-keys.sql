-- All jobs of a key, finished ones too: whether one is left when retention removes others.
CREATE INDEX jobs_of_key ON jobs (type, key) WHERE key IS NOT NULL;
