/** /v1/jobs/{id}/explain: why a job is where it is. */
import { Type } from 'typebox';
import { Explanation } from '../../contract/explanation.js';
import { JobId } from '../../contract/job.js';
import { Problem } from '../../contract/problem.js';
import type { TypeCounts } from '../../engine/engine.js';
import { DrayError } from '../../jobs/errors.js';
import { explain } from '../../jobs/explain.js';
import type { App, Dependencies } from '../dependencies.js';
import { viewJob } from '../job-view.js';

export function explainRoutes(app: App, { engine, workers, clock }: Dependencies): void {
  app.get(
    '/v1/jobs/:id/explain',
    {
      schema: {
        tags: ['jobs'],
        summary: 'Why a job is where it is, and when it may start',
        params: Type.Object({ id: JobId }),
        response: { 200: Explanation, '4xx': Problem },
      },
    },
    async ({ params: { id } }): Promise<Explanation> => {
      const [standing, counts, all] = await Promise.all([
        engine.standing({ id }),
        engine.counts(),
        workers(),
      ]);
      if (!standing) throw new DrayError('job-not-found', `there is no job ${id}`);
      const { job } = standing;
      const meanMs = meanOf(counts.find(({ type }) => type === job.type));
      const { reasons, expectedStart, next } = explain({
        ...standing,
        workers: all,
        ready: new Map(counts.map((one) => [one.type, readyOf(one)])),
        ...(meanMs !== undefined && { meanMs }),
        now: clock.now(),
      });
      return {
        id: job.id,
        type: job.type,
        status: job.status,
        reasons: [...reasons],
        ...(expectedStart && {
          expectedStart: { ...expectedStart, at: new Date(expectedStart.at).toISOString() },
        }),
        ...(next !== undefined && { next }),
        attempts: viewJob(job).attempts.map((attempt) => ({
          ...attempt,
          durationMs: Math.max(0, Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt)),
        })),
      };
    },
  );
}

function readyOf({ jobs, held, paused }: TypeCounts): number {
  return paused ? 0 : jobs.pending - held;
}

function meanOf(counts: TypeCounts | undefined): number | undefined {
  const completed = counts?.totals.attempts.completed ?? 0;
  return counts && completed > 0 && counts.totals.ranMs > 0 ? counts.totals.ranMs / completed : undefined;
}
