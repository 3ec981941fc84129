/** Who serves the metrics that HPAs read: of each group of them one service in a cluster does. */
import { systemClock } from '../../src/clock.js';
import { connect, isAnswer } from '../../src/kubernetes/api.js';

interface ApiService {
  readonly spec: { readonly service?: { readonly namespace: string; readonly name: string } };
}

/**
 * @param group `external.metrics.k8s.io`, or `metrics.k8s.io` for CPU and memory.
 * @returns namespace and name of the service; undefined where there is none.
 */
export async function metricsOwner(group: string): Promise<string | undefined> {
  const api = await connect({ namespace: undefined, clock: systemClock });
  try {
    const path = `/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.${group}`;
    const { service } = (await api.get<ApiService>(path)).spec;
    return service === undefined ? 'the API server itself' : `${service.namespace}/${service.name}`;
  } catch (error) {
    if (isAnswer(error, 404)) return undefined;
    throw error;
  } finally {
    api.close();
  }
}
