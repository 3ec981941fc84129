/** /metrics: for Prometheus. */
import { Type } from 'typebox';
import type { App, Dependencies } from '../dependencies.js';

export function metricsRoutes(app: App, { metrics }: Pick<Dependencies, 'metrics'>): void {
  app.get(
    '/metrics',
    {
      schema: { tags: ['service'], summary: 'Figures for Prometheus', response: { 200: Type.String() } },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
