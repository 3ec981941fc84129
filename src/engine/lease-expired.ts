import type { Failure } from './engine.js';

/** What a job says whose attempt ended without a word. */
export const leaseExpired: Failure = {
  code: 'lease-expired',
  message: 'The worker stopped renewing its lease: it died, was paused or was cut off.',
  permanent: false,
};
