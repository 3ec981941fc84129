/** Runs a batch: one transaction, and so one fsync, for all of its requests. */
import { DrayError, isDiskFull } from '../../jobs/errors.js';
import { Counters } from './counters.js';
import { createHandlers, type Handler, type Handlers, type Transaction } from './operations.js';
import { KeySet } from './places.js';
import type { Answer, Batch, Moment, OperationName, Reply, Request, Result, StoreError } from './protocol.js';
import type { Database, Statements } from './statements.js';

/** The open database and what works on it. */
export interface Store {
  readonly db: Database;
  readonly handlers: Handlers;
  readonly counters: Counters;
}

export function createStore(db: Database, statements: Statements): Store {
  const counters = new Counters(statements);
  return { db, handlers: createHandlers(statements, counters), counters };
}

/**
 * Where the batch fails as a whole it is rolled back and its requests run again one by one, each in a
 * transaction of its own: an error reaches only the caller whose request causes it.
 */
export function runBatch(store: Store, { at, requests }: Batch): Reply {
  const { handlers } = store;
  try {
    const { result, changes, wake } = transact(store, at, (transaction) =>
      inGroups(requests).flatMap((group) => handle(handlers, group, transaction)),
    );
    const answers = result.map((each): Answer => ({ ok: true, result: each }));
    return { answers, changes, wake };
  } catch {
    const all: Transaction['changes'] = [];
    let anyWake = false;
    const answers = requests.map((request): Answer => {
      try {
        const { result, changes, wake } = transact(store, at, (transaction) =>
          handle(handlers, [request], transaction),
        );
        all.push(...changes);
        anyWake ||= wake;
        return { ok: true, result: result[0] };
      } catch (error) {
        return { ok: false, error: storeError(error) };
      }
    });
    return { answers, changes: all, wake: anyWake };
  }
}

/** Commits what `run` does, or nothing of it where it or the commit throws. */
function transact<T>(
  { db, counters }: Store,
  at: Moment,
  run: (transaction: Transaction) => T,
): { result: T; changes: Transaction['changes']; wake: boolean } {
  const transaction: Transaction = { at, changes: [], steps: [], keys: new KeySet(), wake: false };
  db.exec('BEGIN');
  try {
    const result = run(transaction);
    db.exec('COMMIT');
    return { result, changes: transaction.changes, wake: transaction.wake };
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK'); // some errors, a full disk among them, roll back by themselves
    counters.undo(transaction.steps);
    throw error;
  }
}

/** Completions that come one after the other, each of another job, are one group; all else is alone. */
function inGroups(requests: readonly Request[]): Request[][] {
  const groups: Request[][] = [];
  let completing = new Set<string>();
  for (const request of requests) {
    if (request.op !== 'complete') {
      groups.push([request]);
      completing = new Set();
    } else if (completing.size === 0 || completing.has(request.params.id)) {
      groups.push([request]);
      completing = new Set([request.params.id]);
    } else {
      groups.at(-1)!.push(request);
      completing.add(request.params.id);
    }
  }
  return groups;
}

function handle(
  handlers: Handlers,
  group: readonly Request[],
  transaction: Transaction,
): readonly Result<OperationName>[] {
  const { op, params } = group[0]!;
  if (op === 'complete') {
    return handlers.complete(
      (group as readonly Request<'complete'>[]).map((request) => request.params),
      transaction,
    );
  }
  const one = handlers[op] as Handler<OperationName>; // which takes these very params, by how a request is typed
  return [one(params, transaction)];
}

/** An error in the form that crosses from thread to thread. */
export function storeError(error: unknown): StoreError {
  if (error instanceof DrayError) return { code: error.code, detail: error.message };
  if (isDiskFull(error)) {
    return { code: 'storage-full', detail: 'The disk that holds the jobs is full; nothing was stored.' };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { code: 'internal', detail: `The job store failed: ${detail}` };
}
