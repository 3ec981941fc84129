/** Where clients of the start/end door read how their jobs ended: a hash in a Redis database of their own. */
import { Redis } from 'ioredis';
import type { Projection } from '../control/projections.js';
import { startEndEntry } from '../doors/start-end.js';

/** The database of the service that these clients know. */
const usualDatabase = 3;
/** A command without an answer for so long has failed, in ms. */
const commandMs = 5_000;
const reconnectMs = 2_000;

export interface StartEndState {
  readonly project: Projection;
  close(): void;
}

/** @param params.keepForMs how long an entry stays. One that is away is waited for. */
export function openStartEndState(params: {
  address: string | undefined;
  state: string;
  keepForMs: number;
}): StartEndState {
  const { keepForMs } = params;
  const address = params.address ?? inDatabase(params.state, usualDatabase);
  const redis = new Redis(address, {
    connectionName: 'dray start/end',
    maxRetriesPerRequest: 0, // a delivery waits for one attempt to connect; then it is tried again by its loop
    commandTimeout: commandMs,
    retryStrategy: () => reconnectMs,
  });
  redis.on('error', () => undefined); // each command says so itself
  return {
    project: async (job) => {
      const { key, fields } = startEndEntry(job);
      const answers = await redis.multi().del(key).hset(key, fields).pexpire(key, keepForMs).exec();
      const failure = answers?.find(([error]) => error !== null)?.[0];
      if (failure) throw failure;
    },
    close: () => redis.disconnect(),
  };
}

function inDatabase(address: string, database: number): string {
  const url = new URL(address);
  url.pathname = `/${database}`;
  return url.href;
}
