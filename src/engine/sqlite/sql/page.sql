-- The jobs of a page.
-- params: seqs (JSON array)
-- returns: their records, highest seq first
SELECT $record AS record FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq DESC
