/** Health, readiness and who works. */
import { Type } from 'typebox';
import { Problem } from '../../contract/problem.js';
import { WorkerList } from '../../contract/worker.js';
import { DrayError } from '../../jobs/errors.js';
import type { App, Dependencies } from '../dependencies.js';

const Ok = Type.Object({ status: Type.Literal('ok') });
const ok = { status: 'ok' } as const;
const tags = ['service'];

export function statusRoutes(app: App, { engine, healthy, workers }: Dependencies): void {
  app.get(
    '/healthz',
    {
      schema: { tags, summary: 'The consume loop moves', response: { 200: Ok, 503: Problem } },
    },
    () => {
      if (healthy()) return ok;
      throw new DrayError('unavailable', 'the worker’s consume loop has stopped moving');
    },
  );

  app.get(
    '/readyz',
    {
      schema: { tags, summary: 'Requests can be served', response: { 200: Ok, 503: Problem } },
    },
    async () => {
      await engine.ping();
      return ok;
    },
  );

  app.get(
    '/v1/workers',
    { schema: { tags, summary: 'Workers and their executors', response: { 200: WorkerList } } },
    async () => ({ workers: [...(await workers())] }),
  );
}
