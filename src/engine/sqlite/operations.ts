/** What each operation does inside of its transaction. Runs in the thread that owns the database. */
import type { EndedAttempt, Outcome } from '../engine.js';
import { leaseExpired } from '../lease-expired.js';
import { heldPlace, type Counters, type Step } from './counters.js';
import { HandOut } from './hand-out.js';
import { KeySet, Places } from './places.js';
import { limits } from '../../jobs/limits.js';
import type { Moment, OperationName, Params, Result, StoredFilter, StoredJob } from './protocol.js';
import { statusNumbers, type Change, type CountedChange } from './rows.js';
import type { Statements } from './statements.js';

/** The moment of the transaction, the changes that it makes, and the same as steps for the counts. */
export interface Transaction {
  readonly at: Moment;
  readonly changes: Change[];
  readonly steps: Step[];
  /** The keys whose places the changes may have freed. */
  readonly keys: KeySet;
  /** Becomes true where a job may be claimed now by a claim that was not told of it. */
  wake: boolean;
}

/** What handles one request. */
export type Handler<K extends OperationName> = (params: Params<K>, transaction: Transaction) => Result<K>;

export type Handlers = { readonly [K in Exclude<OperationName, 'complete'>]: Handler<K> } & {
  /** Of several requests, each about another job. */
  readonly complete: (
    requests: readonly Params<'complete'>[],
    transaction: Transaction,
  ) => Result<'complete'>[];
};

/** So many due jobs are released in one transaction, which bounds how long the others wait for it. */
const releaseLimit = 1_000;
/** A list reads so many records before it looks at how large they are. */
const readAtOnce = 50;

/** Where a step comes from, and the attempt that it ends. */
type Origin = Pick<Step, 'ended' | 'ranMs'> & { readonly from: number };

export function createHandlers(sql: Statements, counters: Counters): Handlers {
  const handOut = new HandOut(sql, counters);
  const keyPlaces = new Places(sql);

  const step = (one: Step, { steps }: Transaction): void => {
    steps.push(one);
    counters.add(one);
  };
  /** Takes in a change: what may be seen of it, what it counts, and that it may have freed a place of its key. */
  const note = (change: CountedChange, origin: Origin, transaction: Transaction): void => {
    const { id, type, status, version, work, priority, key } = change;
    transaction.changes.push({ id, type, status, version });
    const held =
      key !== null && status === statusNumbers.pending && origin.from !== statusNumbers['in-progress'];
    step({ type, priority, work, to: held ? heldPlace : status, ...origin }, transaction);
    if (status !== statusNumbers['in-progress']) transaction.keys.add(type, key);
  };
  /**
   * Gives on the places that the operation's changes have freed. After all of them, so that places go by priority
   * and age whatever the order of the changes was.
   */
  const fillPlaces = (transaction: Transaction): void => {
    for (const key of transaction.keys.takeAll()) {
      for (const one of keyPlaces.fill(key, transaction.at.now)) {
        step(one, transaction);
        transaction.wake = true;
      }
    }
  };
  const filling =
    <P, R>(run: (params: P, transaction: Transaction) => R) =>
    (params: P, transaction: Transaction): R => {
      const result = run(params, transaction);
      fillPlaces(transaction);
      return result;
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

  /** The blob that holds the payload is used by the job whether its caller named it or not. */
  const noteUses = (id: string, named: readonly string[], holder: string | null): void => {
    const blobs = holder === null ? named : [...named, holder];
    if (blobs.length > 0) sql.useBlobs.run({ id, blobs: JSON.stringify(blobs) });
  };

  const store = (job: StoredJob, transaction: Transaction): void => {
    const { id, type, priority, key, work, labels, blobs, projection } = job;
    const { now } = transaction.at;
    const runAt = job.runAt !== null && job.runAt > now ? job.runAt : null;
    if (key !== null) sql.setPlaces.run({ type, key, places: job.places! });
    transaction.keys.add(type, key);
    sql.submit.run({
      id,
      type,
      input: job.input,
      inputBlob: job.inputBlob,
      retry: job.retry,
      timeoutMs: job.timeoutMs,
      maxAttempts: job.maxAttempts,
      work,
      priority,
      key,
      labels,
      projection,
      runAt,
      now,
    });
    if (labels !== '{}') sql.addLabels.run({ id, labels });
    noteUses(id, blobs, job.inputBlob);
    const status = runAt === null ? statusNumbers.pending : statusNumbers.scheduled;
    transaction.changes.push({ id, type, status, version: 1 });
    const to = runAt === null && key !== null ? heldPlace : status;
    step({ type, priority, work, from: undefined, to }, transaction);
  };

  const cancel = (id: string, transaction: Transaction): Outcome => {
    const found = sql.statusOf.get({ id });
    if (found === undefined) return 'not-found';
    const from = found.held === 1 ? heldPlace : found.status;
    const origin = from === statusNumbers['in-progress'] ? endOf('cancelled') : { from };
    return outcome(id, sql.cancel.get({ id, now: transaction.at.now }), origin, transaction);
  };
  const redrive = (id: string, transaction: Transaction): Outcome => {
    const change = sql.redrive.get({ id, now: transaction.at.now });
    return outcome(id, change, { from: statusNumbers.failed }, transaction);
  };

  /** Highest first. */
  const matching = ({ status, type, label }: StoredFilter, before: number, limit: number): number[] => {
    if (label) {
      return sql.labelled.all({ ...label, status, type, before, limit }).map(({ seq }) => seq);
    }
    const seqs =
      status === null && type === null
        ? sql.newest.all({ before, limit })
        : (status === null ? Object.values(statusNumbers) : [status]).flatMap((status) =>
            (type === null ? sql.typesOf.all({ status }) : [{ type }]).flatMap(({ type }) =>
              sql.newestOf.all({ status, type, before, limit }),
            ),
          );
    return seqs
      .map(({ seq }) => seq)
      .sort((a, b) => b - a)
      .slice(0, limit);
  };
  const recordsOf = (ids: readonly string[]): string[] =>
    ids.flatMap((id) => sql.get.get({ id })?.record ?? []);

  return {
    submit({ jobs, once }, transaction) {
      const { now } = transaction.at;
      const earlier = once === null ? undefined : sql.findSubmit.get({ key: once.key });
      if (earlier) {
        if (earlier.fingerprint !== once!.fingerprint) return { kind: 'conflict' };
        return { kind: 'repeated', records: recordsOf(JSON.parse(earlier.jobs) as string[]) };
      }
      if (once?.onlyKnown) return { kind: 'unknown' };
      for (const job of jobs) store(job, transaction);
      fillPlaces(transaction); // before the jobs are read: they may be held or not
      const ids = jobs.map(({ id }) => id);
      if (once) {
        const { key, fingerprint } = once;
        sql.noteSubmit.run({ key, fingerprint, jobs: JSON.stringify(ids), now });
      }
      return jobs.some(({ key }) => key !== null)
        ? { kind: 'stored', records: recordsOf(ids) }
        : { kind: 'stored', createdAt: now };
    },

    claim({ worker, types, max, ahead, leaseMs, token }, transaction) {
      const { at } = transaction;
      const seqs = handOut.pick(types, max);
      if (seqs.length === 0) return [];
      const leaseUntil = at.monotonic + leaseMs;
      const begun = JSON.stringify(seqs.slice(0, Math.max(0, max - ahead)));
      const rows = sql.claim.all({
        seqs: JSON.stringify(seqs),
        begun,
        worker,
        token,
        now: at.now,
        leaseUntil,
      });
      const turn = new Map(seqs.map((seq, index) => [seq, index]));
      rows.sort((a, b) => turn.get(a.seq)! - turn.get(b.seq)!);
      const status = statusNumbers['in-progress'];
      for (const row of rows) note({ ...row, status }, { from: statusNumbers.pending }, transaction);
      return rows.map((row) => row.record);
    },

    heartbeat({ leases, leaseMs }, transaction) {
      const leaseUntil = transaction.at.monotonic + leaseMs;
      return leases.map(({ id, token, progress, startedAt }) => {
        const change = sql.heartbeat.get({ id, token, leaseUntil, progress, startedAt });
        if (change === undefined) return refused(id);
        if (progress !== null) transaction.changes.push(change); // else nothing that a watcher could see
        return 'applied';
      });
    },

    /** All in one statement: it costs half of what one for each does. */
    complete: filling((ends: readonly Params<'complete'>[], transaction) => {
      const now = transaction.at.now;
      const changes = new Map(
        sql.complete.all({ ends: JSON.stringify(ends), now }).map((change) => [change.id, change]),
      );
      return ends.map(({ id, ranMs, blobs, resultBlob }) => {
        const change = changes.get(id);
        if (change) noteUses(id, blobs, resultBlob);
        return outcome(id, change, { ...endOf('completed'), ranMs }, transaction);
      });
    }),

    fail: filling(({ id, token, error, retryInMs, peakMemory, ranMs, blobs }, transaction) => {
      const { now } = transaction.at;
      const runAt = retryInMs === null ? null : now + retryInMs;
      const change = sql.fail.get({ id, token, error, runAt, peakMemory, ranMs, now });
      if (change) noteUses(id, blobs, null);
      return outcome(id, change, endOf('failed'), transaction);
    }),

    release: filling((params, transaction) => {
      const change = sql.release.get({ ...params, now: transaction.at.now });
      return outcome(params.id, change, endOf('released'), transaction);
    }),

    cancel: filling(({ id }, transaction) => cancel(id, transaction)),

    redrive: filling(({ id }, transaction) => redrive(id, transaction)),

    changeAll: filling(({ change, filter, limit }, transaction) => {
      const { scheduled, pending, 'in-progress': running, failed } = statusNumbers;
      const allowed = change === 'cancel' ? [scheduled, pending, running] : [failed];
      const wanted = filter.status === null ? allowed : allowed.filter((status) => status === filter.status);
      const before = Number.MAX_SAFE_INTEGER;
      const seqs = wanted
        .flatMap((status) => matching({ ...filter, status }, before, limit + 1))
        .sort((a, b) => b - a);
      const ids = sql.idsOf.all({ seqs: JSON.stringify(seqs.slice(0, limit)) });
      const apply = change === 'cancel' ? cancel : redrive;
      const changed = ids.filter(({ id }) => apply(id, transaction) === 'applied').length;
      if (change === 'redrive' && changed > 0) transaction.wake = true;
      return { changed, more: seqs.length > limit };
    }),

    pause({ type }, { at: { now } }) {
      sql.pause.run({ type, now });
      counters.setPaused(type, true);
      return true;
    },

    resume({ type }) {
      sql.resume.run({ type });
      counters.setPaused(type, false);
      return true;
    },

    get({ id }) {
      return sql.get.get({ id })?.record;
    },

    standing({ id }) {
      const found = sql.get.get({ id });
      const row = sql.standing.get({ id });
      if (!found || !row) return undefined;
      const { type, priority, key, held, readyAt, seq, status } = row;
      const waits = status === statusNumbers.pending;
      const limit = limits.ahead;
      const ahead = !waits
        ? 0
        : held === 1
          ? sql.heldAhead.get({ type, key: key!, priority, seq, limit })!.jobs
          : sql.ahead.get({ type, priority, readyAt, seq, limit })!.jobs;
      const places = key === null ? undefined : sql.placesOf.get({ type, key })?.places;
      return {
        record: found.record,
        paused: counters.isPaused(type),
        ahead,
        ...(places !== undefined && {
          key: { taken: sql.placesTaken.get({ type, key: key! })!.taken, places },
        }),
      };
    },

    list({ filter, before, limit }) {
      // One more than wanted tells whether there is another page.
      const newest = matching(filter, before, limit + 1);
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

    maintain: filling((_, transaction) => {
      const { now, monotonic } = transaction.at;
      const released = sql.releaseDue.all({ now, limit: releaseLimit });
      const expired = sql.expire.all({
        upTo: monotonic,
        error: JSON.stringify(leaseExpired),
        room: limits.history,
        now,
      });
      for (const change of released) note(change, { from: statusNumbers.scheduled }, transaction);
      for (const { ended, ...change } of expired) note(change, endOf(ended), transaction);
      for (const { type, key } of keyPlaces.takeUnfilled()) transaction.keys.add(type, key);
      const next = sql.nextDue.get({})?.at ?? undefined;
      return {
        released: released.length,
        expired: expired.length,
        ...(next !== undefined && { nextDueInMs: Math.max(0, next - now) }),
      };
    }),

    prune({ before, keep, limit }, transaction) {
      const surplus = Math.max(0, counters.finished - keep);
      const old = sql.finishedBefore.all({ before, limit: limit + 1 });
      const excess = sql.finishedBefore.all({
        before: Number.MAX_SAFE_INTEGER,
        limit: Math.min(surplus, limit + 1),
      });
      const found = old.length >= excess.length ? old : excess;
      const seqs = JSON.stringify(found.slice(0, limit).map(({ seq }) => seq));
      const blobs = [...new Set(sql.blobsOf.all({ seqs }).map(({ blob }) => blob))];
      sql.forgetUses.run({ seqs });
      sql.forgetLabels.run({ seqs });
      const removed = sql.remove.all({ seqs });
      const keys = new KeySet();
      for (const { type, status, key } of removed) {
        step({ type, priority: 0, work: 0, from: status, to: undefined }, transaction);
        keys.add(type, key);
      }
      for (const { type, key } of keys.takeAll()) sql.forgetKey.run({ type, key });
      sql.forgetCompletions.run({ limit });
      sql.forgetSubmits.run({ before, limit });
      const more = found.length > limit || sql.submitsBefore.get({ before })!.any === 1;
      return { removed: removed.length, blobs: unused(sql, blobs), more };
    },

    unusedBlobs: ({ blobs }) => unused(sql, blobs),

    projections: ({ limit }, { at: { now } }) =>
      sql.untold
        .all({ now, limit })
        .map(({ id, version, projection }) => ({ id, projection, mark: `${id} ${version}` })),

    projected({ ends }, { at: { now } }) {
      const told = ends.map(({ mark, againInMs }) => {
        const [id, version] = mark.split(' ');
        return {
          id,
          version: Number(version),
          again: againInMs === undefined ? null : now + Math.ceil(againInMs),
        };
      });
      sql.told.run({ ends: JSON.stringify(told) });
      return true;
    },

    ping() {
      sql.ping.get({});
      return true;
    },
  };
}

function unused(sql: Statements, blobs: readonly string[]): string[] {
  const used = new Set(sql.usedBlobs.all({ blobs: JSON.stringify(blobs) }).map(({ blob }) => blob));
  return blobs.filter((blob) => !used.has(blob));
}
