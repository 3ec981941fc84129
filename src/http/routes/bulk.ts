/** /v1/jobs/cancel and /v1/jobs/redrive: many jobs at once, by filter. */
import { Compile } from 'typebox/compile';
import { Problem } from '../../contract/problem.js';
import { BulkChange, BulkChanged } from '../../contract/queue.js';
import type { JobFilter } from '../../engine/engine.js';
import { DrayError } from '../../jobs/errors.js';
import { parseLabel } from '../../jobs/label.js';
import { isFinal } from '../../jobs/life-cycle.js';
import type { App, Dependencies } from '../dependencies.js';
import { readSmallBody } from '../small-body.js';

type Change = 'cancel' | 'redrive';

/** So many are changed in one go: others that use the store get their turns in between. */
const batch = 500;
/** So many are changed for one request. */
const perRequest = 100_000;
const body = {
  schema: Compile(BulkChange),
  what: 'the filter',
  reasons: { label: 'is not name=value' },
};

export function bulkRoutes(app: App, { engine }: Dependencies): void {
  for (const change of ['cancel', 'redrive'] as const) {
    app.post(
      `/v1/jobs/${change}`,
      {
        schema: {
          tags: ['jobs'],
          summary: change === 'cancel' ? 'Cancel jobs by filter' : 'Run failed jobs again, by filter',
          description: `At most ${perRequest} jobs a request, newest first; "more" tells whether to ask again.`,
          body: BulkChange,
          response: { 200: BulkChanged, '4xx': Problem },
        },
      },
      async (request): Promise<BulkChanged> => {
        const filter = filterOf(await readSmallBody(request, body), change);
        const most = Math.min(perRequest, await candidates(filter, change));
        let changed = 0;
        while (!request.raw.socket.destroyed) {
          const limit = Math.min(batch, most - changed);
          if (limit <= 0) return { changed, more: most === perRequest };
          const done = await engine.changeAll({ change, filter, limit });
          changed += done.changed;
          if (!done.more || done.changed === 0) return { changed, more: done.more };
        }
        return { changed, more: true };
      },
    );
  }

  /**
   * A redriven job that fails again at once would be found again and again: no more are changed than there were
   * at the start.
   */
  async function candidates({ type }: JobFilter, change: Change): Promise<number> {
    if (change === 'cancel') return Infinity;
    const counts = await engine.counts();
    const failed = counts
      .filter((one) => type === undefined || one.type === type)
      .map((one) => one.jobs.failed);
    return failed.reduce((sum, number) => sum + number, 0);
  }
}

/** @throws DrayError where it would mean every job by oversight, or none at all. */
function filterOf({ status, type, label, all }: BulkChange, change: Change): JobFilter {
  const given = status !== undefined || type !== undefined || label !== undefined;
  if (given === (all === true)) {
    throw new DrayError(
      'invalid-request',
      'body: give status, type or label, or else "all": true for every job',
      { field: given ? 'all' : 'body' },
    );
  }
  if (status !== undefined && (change === 'redrive' ? status !== 'failed' : isFinal(status))) {
    const fitting =
      change === 'redrive' ? 'only failed jobs can be re-driven' : 'only unfinished jobs can be cancelled';
    throw new DrayError('invalid-request', `status: "${status}": ${fitting}`, { field: 'status' });
  }
  const wanted = label === undefined ? undefined : parseLabel(label);
  return {
    ...(status !== undefined && { status }),
    ...(type !== undefined && { type }),
    ...(wanted && { label: wanted }),
  };
}
