/** What a cluster has for HPAs: who serves the metrics that they read, and whether they may ask for no pod at all. */
import { systemClock } from '../../src/clock.js';
import { connect, isAnswer, type Api } from '../../src/kubernetes/api.js';

interface ApiService {
  readonly spec: { readonly service?: { readonly namespace: string; readonly name: string } };
}

/**
 * @param group `external.metrics.k8s.io`, or `metrics.k8s.io` for CPU and memory: of each there is one in a cluster.
 * @returns namespace and name of the service; undefined where there is none.
 */
export function metricsOwner(group: string): Promise<string | undefined> {
  return ask(async (api) => {
    const path = `/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.${group}`;
    const { service } = (await api.get<ApiService>(path)).spec;
    return service === undefined ? 'the API server itself' : `${service.namespace}/${service.name}`;
  }, 404);
}

/** Whether the API server would take an HPA that may go to zero, which is a feature that it may lack. */
export async function scalesToZero(): Promise<boolean> {
  const metric = { metric: { name: 'none' }, target: { type: 'AverageValue', averageValue: '1' } };
  const made = await ask(async (api) => {
    await api.create('/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?dryRun=All', {
      metadata: { name: 'dray-test' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' },
        minReplicas: 0,
        maxReplicas: 1,
        metrics: [{ type: 'External', external: metric }],
      },
    });
    return true;
  }, 422);
  return made ?? false;
}

/** @param no the answer that means undefined. */
async function ask<T>(question: (api: Api) => Promise<T>, no: number): Promise<T | undefined> {
  const api = await connect({ namespace: undefined, clock: systemClock });
  try {
    return await question(api);
  } catch (error) {
    if (isAnswer(error, no)) return undefined;
    throw error;
  } finally {
    api.close();
  }
}
