/** What each operation does inside of its transaction. Runs in the thread that owns the database. */
import type { EndedAttempt, Failure, Outcome } from '../engine.js';
import type { Counters, Step } from './counters.js';
import { limits } from '../../jobs/limits.js';
import type { Moment, Operations, Params, Result } from './protocol.js';
import { statusNumbers, type Change, type CountedChange } from './rows.js';
import type { Statements } from './statements.js';

/** The moment of the transaction, the changes that it makes, and the same as steps for the counts. */
export interface Transaction {
  readonly at: Moment;
  readonly changes: Change[];
  readonly steps: Step[];
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
export function expireLeases(sql: Statements, params: { upTo: number; now: number }): CountedChange[] {
  return sql.expire.all({ ...params, error: JSON.stringify(leaseExpired) });
}

/** Where a step comes from, and the attempt that it ends. */
type Origin = Pick<Step, 'ended' | 'ranMs'> & { readonly from: number };

export function createHandlers(sql: Statements, counters: Counters): Handlers {
  const note = (change: CountedChange, origin: Origin, { changes, steps }: Transaction): void => {
    const { work, ...told } = change;
    changes.push(told);
    steps.push({ type: change.type, to: change.status, work, ...origin });
  };
  /** Why a guarded change of a job did not happen. */
  const refused = (id: string): Outcome => (sql.statusOf.get({ id }) === undefined ? 'not-found' : 'stale');
  /** The outcome of a guarded change of one job. */
  const outcome = (
    id: string,
    change: CountedChange | undefined,
    origin: Origin,
    transaction: Transaction,
  ): Outcome => {
    if (change === undefined) return refused(id);
    note(change, origin, transaction);
    return 'applied';
  };
  const endOf = (ended: EndedAttempt['outcome']) => ({ from: statusNumbers['in-progress'], ended });

  return {
    submit({ jobs }, { at: { now }, changes, steps }) {
      const status = statusNumbers.pending;
      for (const job of jobs) {
        sql.submit.run({ ...job, now });
        changes.push({ id: job.id, type: job.type, status, version: 1 });
        steps.push({ type: job.type, work: job.work, from: undefined, to: status });
      }
      return { createdAt: now };
    },

    claim({ worker, types, max, leaseMs, token }, transaction) {
      const { at } = transaction;
      const seqs = [...new Set(types)]
        .flatMap((type) => sql.oldestPending.all({ type, limit: max }))
        .map((row) => row.seq)
        .sort((a, b) => a - b)
        .slice(0, max);
      if (seqs.length === 0) return [];
      const leaseUntil = at.monotonic + leaseMs;
      const rows = sql.claim.all({ seqs: JSON.stringify(seqs), worker, token, now: at.now, leaseUntil });
      rows.sort((a, b) => a.seq - b.seq);
      const status = statusNumbers['in-progress'];
      for (const { id, type, version, work } of rows) {
        note({ id, type, status, version, work }, { from: statusNumbers.pending }, transaction);
      }
      return rows.map((row) => row.record);
    },

    heartbeat({ leases, leaseMs }, transaction) {
      const leaseUntil = transaction.at.monotonic + leaseMs;
      return leases.map(({ id, token, progress }) => {
        const change = sql.heartbeat.get({ id, token, leaseUntil, progress });
        if (change === undefined) return refused(id);
        if (progress !== null) transaction.changes.push(change); // else nothing that a watcher could see
        return 'applied';
      });
    },

    complete({ ranMs, ...params }, transaction) {
      const change = sql.complete.get({ ...params, now: transaction.at.now });
      return outcome(params.id, change, { ...endOf('completed'), ranMs }, transaction);
    },

    fail({ id, token, error, retryInMs, peakMemory }, transaction) {
      const { now } = transaction.at;
      const runAt = retryInMs === null ? null : now + retryInMs;
      const change = sql.fail.get({ id, token, error, runAt, peakMemory, now });
      return outcome(id, change, endOf('failed'), transaction);
    },

    release(params, transaction) {
      const change = sql.release.get({ ...params, now: transaction.at.now });
      return outcome(params.id, change, endOf('released'), transaction);
    },

    cancel({ id }, transaction) {
      const from = sql.statusOf.get({ id })?.status ?? statusNumbers.pending; // of none, nothing is cancelled
      const origin = from === statusNumbers['in-progress'] ? endOf('cancelled') : { from };
      return outcome(id, sql.cancel.get({ id, now: transaction.at.now }), origin, transaction);
    },

    redrive({ id }, transaction) {
      const change = sql.redrive.get({ id, now: transaction.at.now });
      return outcome(id, change, { from: statusNumbers.failed }, transaction);
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

    counts() {
      return counters.read();
    },

    maintain(_, transaction) {
      const { now, monotonic } = transaction.at;
      const released = sql.releaseDue.all({ now, limit: releaseLimit });
      const expired = expireLeases(sql, { upTo: monotonic, now });
      for (const change of released) note(change, { from: statusNumbers.scheduled }, transaction);
      for (const change of expired) note(change, endOf('expired'), transaction);
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
