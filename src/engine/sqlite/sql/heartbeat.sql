-- Renews a lease, stores progress, and notes that the attempt has begun.
-- params: id, token, leaseUntil (monotonic), progress (JSON, or NULL to keep what is there), startedAt (or NULL)
-- returns: one change where the token holds the lease, else nothing
-- guarantee: a lease that was given to another attempt is never renewed. The version stays: no state changed.
UPDATE jobs SET lease_until = :leaseUntil, progress = coalesce(:progress, progress),
    started_at = coalesce(started_at, :startedAt)
WHERE id = :id AND status = 2 AND token = :token
RETURNING id, type, status, version
