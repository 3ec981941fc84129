/** What `dray models serve` answers beside its models: health, readiness and metrics. */
import { Type } from 'typebox';
import { Problem } from '../../contract/problem.js';
import { DrayError } from '../../jobs/errors.js';
import type { App } from '../dependencies.js';
import type { Metrics } from '../metrics.js';
import { metricsRoutes } from './metrics.js';

const Ok = Type.Object({ status: Type.Literal('ok') });
const ok = { status: 'ok' } as const;
const tags = ['service'];

export function modelRoutes(
  app: App,
  { metrics, ready }: { readonly metrics: Metrics; readonly ready: () => boolean },
): void {
  app.get('/healthz', { schema: { tags, summary: 'The server answers', response: { 200: Ok } } }, () => ok);
  app.get(
    '/readyz',
    { schema: { tags, summary: 'Some model can be asked', response: { 200: Ok, 503: Problem } } },
    () => {
      if (ready()) return ok;
      throw new DrayError('unavailable', 'no version of any model can be served; the log says why');
    },
  );
  metricsRoutes(app, { metrics });
}
