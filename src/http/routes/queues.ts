/** /v1/queues: what there is of each job type, and stopping its hand-out for a while. */
import { Type } from 'typebox';
import { Problem } from '../../contract/problem.js';
import { Queue, QueueList } from '../../contract/queue.js';
import type { Worker } from '../../contract/worker.js';
import type { TypeCounts } from '../../engine/engine.js';
import { DrayError } from '../../jobs/errors.js';
import { statuses, type Status } from '../../jobs/life-cycle.js';
import type { App, Dependencies } from '../dependencies.js';

const ByType = Type.Object({ type: Type.String({ minLength: 1, maxLength: 128 }) });
const tags = ['queues'];

type Totals = Pick<TypeCounts['totals'], 'submitted'> & { readonly completed: number };
interface Baseline {
  readonly at: number;
  readonly now: number;
  readonly totals: ReadonlyMap<string, Totals>;
}

export function queueRoutes(app: App, { engine, tasks, workers, clock }: Dependencies): void {
  /** What had happened when the server started: rates are counted from there. */
  let baseline: Baseline | undefined;
  const noteBaseline = (counts: readonly TypeCounts[]): Baseline => ({
    at: clock.monotonic(),
    now: clock.now(),
    totals: new Map(counts.map(({ type, totals }) => [type, totalsOf(totals)])),
  });
  app.addHook('onReady', async () => {
    // A store that does not answer yet must not keep the server from starting; the first reading counts then.
    const counts = await engine.counts().catch(() => undefined);
    if (counts) baseline = noteBaseline(counts);
  });

  app.get(
    '/v1/queues',
    { schema: { tags, summary: 'What there is of each job type', response: { 200: QueueList } } },
    async () => ({ queues: await readQueues() }),
  );

  app.post(
    '/v1/queues/:type/pause',
    {
      schema: {
        tags,
        summary: 'Stop the hand-out of a job type',
        description: 'What runs goes on, and jobs are still accepted. It holds until it is resumed.',
        params: ByType,
        response: { 200: Queue, '4xx': Problem },
      },
    },
    async ({ params: { type } }) => {
      await refuseUnknown(type);
      await engine.pause({ type });
      return readQueue(type);
    },
  );

  app.post(
    '/v1/queues/:type/resume',
    {
      schema: {
        tags,
        summary: 'Go on with the hand-out of a job type',
        params: ByType,
        response: { 200: Queue, '4xx': Problem },
      },
    },
    async ({ params: { type } }) => {
      await refuseUnknown(type);
      await engine.resume({ type });
      return readQueue(type);
    },
  );

  /** The store keeps each pause, so it is given only names that mean something. */
  async function refuseUnknown(type: string): Promise<void> {
    if (tasks.types.includes(type)) return;
    if (!(await engine.counts()).some((counts) => counts.type === type)) tasks.get(type);
  }

  async function readQueue(type: string): Promise<Queue> {
    const queue = (await readQueues()).find((candidate) => candidate.type === type);
    if (queue) return queue;
    throw new DrayError('unknown-type', `there is nothing of type "${type}" any more`, { field: 'type' });
  }

  async function readQueues(): Promise<Queue[]> {
    const [counts, all] = await Promise.all([engine.counts(), workers()]);
    const base = (baseline ??= noteBaseline(counts));
    const counted = new Map(counts.map((one) => [one.type, one]));
    const types = [...new Set([...tasks.types, ...counted.keys()])].sort();
    return types.map((type) => viewQueue(counted.get(type) ?? nothingOf(type), base, all));
  }

  function viewQueue(counts: TypeCounts, base: Baseline, all: readonly Worker[]): Queue {
    const { type, totals, oldestPendingAt } = counts;
    const serving = all.filter((worker) => worker.types.includes(type));
    const completed = totals.attempts.completed;
    // Totals that went back were counted anew, so all of them came since.
    const { submitted: hadSubmitted, completed: hadCompleted } = base.totals.get(type) ?? none;
    const seconds = Math.max(1, (clock.monotonic() - base.at) / 1_000);
    const rate = (total: number, had: number): number => (total < had ? total : total - had) / seconds;
    return {
      type,
      paused: counts.paused,
      jobs: { ...counts.jobs },
      held: counts.held,
      pendingWork: counts.pendingWork,
      oldestAgeSeconds:
        oldestPendingAt === undefined ? 0 : Math.max(0, clock.now() - oldestPendingAt) / 1_000,
      ...(completed > 0 && totals.ranMs > 0 && { meanSeconds: totals.ranMs / completed / 1_000 }),
      since: new Date(base.now).toISOString(),
      submittedPerSecond: rate(totals.submitted, hadSubmitted),
      completedPerSecond: rate(completed, hadCompleted),
      workers: serving.map(({ id }) => id),
      slots: serving.reduce((sum, { slots }) => sum + slots, 0),
    };
  }
}

const none: Totals = { submitted: 0, completed: 0 };

function totalsOf({ submitted, attempts }: TypeCounts['totals']): Totals {
  return { submitted, completed: attempts.completed };
}

/** Of a type that a task runs and that the store knows nothing of. */
function nothingOf(type: string): TypeCounts {
  const jobs = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<Status, number>;
  const attempts = { completed: 0, failed: 0, expired: 0, released: 0, cancelled: 0 };
  const totals = { submitted: 0, attempts, ranMs: 0, work: 0 };
  return { type, jobs, held: 0, paused: false, pendingWork: 0, totals };
}
