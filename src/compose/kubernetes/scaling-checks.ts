/** Whether the figure of Dray's scaling rule reaches those who scale: APIService, metric, HPAs, and KEDA's objects. */
import { isAnswer } from '../../kubernetes/api.js';
import {
  apiServiceName,
  apiServicePath,
  wrongWith,
  type ApiService,
} from '../../kubernetes/metrics-api/certificate-keeper.js';
import { metricName } from '../../kubernetes/metrics-api/values.js';
import { ok, warning, wrong, type Verdict } from '../verdicts.js';
import type { Autoscaler, Metadata, Release } from './release.js';

interface ScaledObject {
  readonly metadata: Metadata;
  readonly status?: Autoscaler['status'];
}

export async function checkApiService(release: Release): Promise<Verdict> {
  const { api } = release;
  const found = await unlessAbsent(api.get<ApiService>(apiServicePath));
  const [controller] = await release.podsOf('controller');
  const variables = controller ? await release.environment(controller) : {};
  const service = variables['DRAY_KUBERNETES_METRICS_SERVICE'];
  if (service === undefined) {
    if (found || (await selectorsOf(release)).length === 0)
      return ok('not Dray’s: the controllers serve none');
    return wrong(
      `there is no ${apiServiceName}, and an HPA asks for ${metricName}`,
      'Install prometheus-adapter (deploy/prometheus), or set autoscaling.mode: metrics-api.',
    );
  }
  if (!found) return wrong(`there is no ${apiServiceName}`, 'Upgrade the release: its chart makes it.');
  const stranger = wrongWith(found, { service, namespace: api.namespace });
  if (stranger !== undefined)
    return wrong(stranger, 'A cluster has one: set autoscaling.mode to prometheus, keda or cpu.');
  const available = found.status?.conditions?.find(({ type }) => type === 'Available');
  if (available?.status === 'True') return ok(`${apiServiceName} is available`);
  const why = [available?.reason, available?.message].filter((part) => part !== undefined).join(': ');
  return wrong(
    `${apiServiceName} is not available: ${why || 'nobody has asked it yet'}`,
    'See /readyz and the log of the controllers, and whether a NetworkPolicy keeps the API server from them.',
  );
}

/** Asks as an HPA does. */
export async function checkMetric(release: Release): Promise<Verdict> {
  const { api } = release;
  const selectors = await selectorsOf(release);
  if (selectors.length === 0) return ok('no HPA asks for it');
  const answers: string[] = [];
  const failures: string[] = [];
  for (const labelSelector of new Set(selectors)) {
    const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${api.namespace}/${metricName}`;
    try {
      const { items } = await api.get<{ items: readonly { value: string }[] }>(path, { labelSelector });
      const sum = items.map(({ value }) => value).join(' + ');
      if (items.length === 0) failures.push(`${labelSelector}: no values`);
      else answers.push(`${labelSelector}: ${sum}`);
    } catch (error) {
      failures.push(`${labelSelector}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (failures.length === 0) return ok(`${metricName}: ${answers.join(', ')}`);
  return wrong(
    failures.join('; '),
    'Until it is known nothing is scaled. See `leader` here, and dray scale explain.',
  );
}

export async function checkAutoscalers(release: Release): Promise<Verdict> {
  const { api } = release;
  const scaled = await unlessAbsent(
    api.list<ScaledObject>(
      `/apis/keda.sh/v1alpha1/namespaces/${api.namespace}/scaledobjects`,
      'app.kubernetes.io/name=dray',
    ),
  );
  const autoscalers = await release.autoscalers();
  const troubles = [
    ...autoscalers.flatMap((one) => troublesOf(one, { AbleToScale: 'False', ScalingActive: 'False' })),
    ...(scaled ?? []).flatMap((one) => troublesOf(one, { Ready: 'False', Fallback: 'True' })),
  ];
  const names = [...autoscalers, ...(scaled ?? [])].map(({ metadata }) => metadata.name);
  if (troubles.length > 0) {
    return wrong(
      troubles.join('; '),
      `See kubectl -n ${api.namespace} describe hpa. What it cannot read it does not scale by: workers stay as many as they are.`,
    );
  }
  if (names.length > 0) return ok(names.join(', '));
  return warning(
    'none: workers stay as many as they are',
    'Set autoscaling.mode, if they are to follow the queue.',
  );
}

/** @param bad what a condition must not be. */
function troublesOf(
  { metadata, status }: { readonly metadata: Metadata; readonly status?: Autoscaler['status'] },
  bad: Readonly<Record<string, string>>,
): readonly string[] {
  return (status?.conditions ?? [])
    .filter((condition) => bad[condition.type] === condition.status)
    .map(({ type, status: is, reason = '', message = '' }) =>
      [`${metadata.name}: ${type} is ${is}`, reason, message].filter((part) => part !== '').join(': '),
    );
}

/** Of the pools whose figures HPAs read, as they ask for them. */
async function selectorsOf(release: Release): Promise<readonly string[]> {
  const metrics = (await release.autoscalers()).flatMap(({ spec }) => spec.metrics ?? []);
  return metrics.flatMap(({ external }) => {
    if (external?.metric.name !== metricName) return [];
    const labels = Object.entries(external.metric.selector?.matchLabels ?? {});
    return [labels.map(([name, value]) => `${name}=${value}`).join(',')];
  });
}

async function unlessAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isAnswer(error, 404)) return undefined;
    throw error;
  });
}
