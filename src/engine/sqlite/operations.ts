/** What each operation does inside of its transaction. Runs in the thread that owns the database. */
import type { Failure, Outcome } from '../engine.js';
import { limits } from '../../jobs/limits.js';
import type { Moment, Operations, Params, Result } from './protocol.js';
import { statusNumbers, type Change } from './rows.js';
import type { Statements } from './statements.js';

/** The moment of the transaction, and the changes that it makes. */
export interface Transaction {
  readonly at: Moment;
  readonly changes: Change[];
}

export type Handlers = {
  readonly [K in keyof Operations]: (params: Params<K>, transaction: Transaction) => Result<K>;
};

/** So many due jobs are released in one transaction, which bounds how long the others wait for it. */
const releaseLimit = 1_000;
/** A list reads so many records before it looks at how large they are. */
const readAtOnce = 50;

const leaseExpired: Failure = {
  code: 'lease-expired',
  message: 'The worker stopped renewing its lease: it died, was paused or was cut off.',
  permanent: false,
};

/** Ends every attempt whose lease ran out at `upTo`, by the monotonic clock. */
export function expireLeases(sql: Statements, params: { upTo: number; now: number }): Change[] {
  return sql.expire.all({ ...params, error: JSON.stringify(leaseExpired) });
}

export function createHandlers(sql: Statements): Handlers {
  /** The outcome of a guarded change of one job. */
  const outcome = (id: string, change: Change | undefined, { changes }: Transaction): Outcome => {
    if (change === undefined) return sql.get.get({ id }) === undefined ? 'not-found' : 'stale';
    changes.push(change);
    return 'applied';
  };

  return {
    submit({ jobs }, { at: { now }, changes }) {
      for (const job of jobs) {
        sql.submit.run({ ...job, now });
        changes.push({ id: job.id, type: job.type, status: statusNumbers.pending, version: 1 });
      }
      return { createdAt: now };
    },

    claim({ worker, types, max, leaseMs, token }, { at, changes }) {
      const seqs = [...new Set(types)]
        .flatMap((type) => sql.oldestPending.all({ type, limit: max }))
        .map((row) => row.seq)
        .sort((a, b) => a - b)
        .slice(0, max);
      if (seqs.length === 0) return [];
      const leaseUntil = at.monotonic + leaseMs;
      const rows = sql.claim.all({ seqs: JSON.stringify(seqs), worker, token, now: at.now, leaseUntil });
      rows.sort((a, b) => a.seq - b.seq);
      for (const { id, type, version } of rows) {
        changes.push({ id, type, status: statusNumbers['in-progress'], version });
      }
      return rows.map((row) => row.record);
    },

    heartbeat({ leases, leaseMs }, transaction) {
      const leaseUntil = transaction.at.monotonic + leaseMs;
      return leases.map(({ id, token, progress }) => {
        const change = sql.heartbeat.get({ id, token, leaseUntil, progress });
        if (change !== undefined && progress === null) return 'applied'; // nothing that a watcher could see
        return outcome(id, change, transaction);
      });
    },

    complete(params, transaction) {
      const change = sql.complete.get({ ...params, now: transaction.at.now });
      return outcome(params.id, change, transaction);
    },

    fail({ id, token, error, retryInMs, peakMemory }, transaction) {
      const { now } = transaction.at;
      const runAt = retryInMs === null ? null : now + retryInMs;
      return outcome(id, sql.fail.get({ id, token, error, runAt, peakMemory, now }), transaction);
    },

    release(params, transaction) {
      const change = sql.release.get({ ...params, now: transaction.at.now });
      return outcome(params.id, change, transaction);
    },

    cancel({ id }, transaction) {
      return outcome(id, sql.cancel.get({ id, now: transaction.at.now }), transaction);
    },

    redrive({ id }, transaction) {
      return outcome(id, sql.redrive.get({ id }), transaction);
    },

    get({ id }) {
      return sql.get.get({ id })?.record;
    },

    list({ status, type, before, limit }) {
      // One more than wanted tells whether there is another page.
      const seqs =
        status === null && type === null
          ? sql.newest.all({ before, limit: limit + 1 })
          : (status === null ? Object.values(statusNumbers) : [status]).flatMap((status) =>
              (type === null ? sql.typesOf.all({ status }) : [{ type }]).flatMap(({ type }) =>
                sql.newestOf.all({ status, type, before, limit: limit + 1 }),
              ),
            );
      const newest = seqs.map((row) => row.seq).sort((a, b) => b - a);
      const records: string[] = [];
      let bytes = 0;
      while (records.length < Math.min(limit, newest.length) && bytes < limits.listBytes) {
        const some = newest.slice(records.length, Math.min(limit, records.length + readAtOnce));
        for (const { record } of sql.page.all({ seqs: JSON.stringify(some) })) {
          records.push(record);
          bytes += record.length;
        }
      }
      return { records, more: newest.length > records.length };
    },

    maintain(_, { at: { now, monotonic }, changes }) {
      const released = sql.releaseDue.all({ now, limit: releaseLimit });
      const expired = expireLeases(sql, { upTo: monotonic, now });
      changes.push(...released, ...expired);
      const next = sql.nextDue.get({})?.at ?? undefined;
      return {
        released: released.length,
        expired: expired.length,
        ...(next !== undefined && { nextDueInMs: Math.max(0, next - now) }),
      };
    },

    ping() {
      sql.ping.get({});
      return true;
    },
  };
}
