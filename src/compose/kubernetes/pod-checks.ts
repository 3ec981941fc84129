/** Whether the pods of a release work, and have what they need. */
import { systemClock } from '../../clock.js';
import { isAnswer } from '../../kubernetes/api.js';
import { troubleOf } from '../../kubernetes/pod-trouble.js';
import { ok, warning, wrong, type Verdict } from '../verdicts.js';
import { componentOf, type Pod, type Reference, type Release } from './release.js';

/** Of those that are alike, one is shown. */
const mostShown = 5;

export async function checkPods(release: Release): Promise<Verdict> {
  const pods = await release.pods();
  if (pods.length === 0) {
    return wrong(
      `there are none of Dray in namespace ${release.api.namespace}`,
      'Name where it is: --namespace, --release; or install it: helm install dray deploy/helm/dray.',
    );
  }
  const now = systemClock.now();
  const troubles = pods.flatMap((pod) => {
    const trouble = troubleOf(pod, now);
    return trouble ? [{ ...trouble, text: `${pod.metadata.name}: ${trouble.why}` }] : [];
  });
  if (troubles.length === 0) return ok(census(pods));
  const shown = troubles.slice(0, mostShown).map(({ text }) => text);
  const more = troubles.length - shown.length;
  const detail = [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
  const { name } = pods.find((pod) => troubleOf(pod, now))!.metadata;
  const { namespace } = release.api;
  return troubles.some(({ state }) => state === 'wrong')
    ? wrong(detail, `See kubectl -n ${namespace} describe pod ${name}, and its log: kubectl logs --previous.`)
    : warning(
        detail,
        `See kubectl -n ${namespace} logs --previous ${name}; one that is OOMKilled needs memory.`,
      );
}

function census(pods: readonly Pod[]): string {
  const counts = new Map<string, number>();
  for (const { metadata } of pods) {
    const component = componentOf(metadata);
    counts.set(component, (counts.get(component) ?? 0) + 1);
  }
  return [...counts].map(([component, count]) => `${count} ${component}`).join(', ');
}

/** That each Secret which a pod names is there, with the key that it names. Their values are not looked at. */
export async function checkSecrets(release: Release): Promise<Verdict> {
  const { api } = release;
  const wanted = new Map<string, Set<string>>();
  for (const pod of await release.pods()) {
    for (const { name, key, optional } of secretsOf(pod)) {
      if (name === undefined || optional === true) continue;
      const keys = wanted.get(name) ?? new Set();
      wanted.set(name, keys);
      if (key !== undefined) keys.add(key);
    }
  }
  const missing: string[] = [];
  for (const [name, keys] of wanted) {
    const secret = await api
      .get<{ data?: Readonly<Record<string, string>> }>(api.secrets(name))
      .catch((error: unknown) => {
        if (isAnswer(error, 404)) return undefined;
        throw error;
      });
    if (!secret) missing.push(`there is no Secret ${name}`);
    else {
      const lacking = [...keys].filter((key) => secret.data?.[key] === undefined);
      if (lacking.length > 0) missing.push(`Secret ${name} has no key ${lacking.join(', ')}`);
    }
  }
  if (missing.length === 0) return ok(`${wanted.size} that pods name, all there`);
  return wrong(
    missing.join('; '),
    'Make it, or correct existingSecret in the chart’s values; pods that wait for it go on by themselves.',
  );
}

function secretsOf({ spec }: Pod): readonly Reference[] {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return [
    ...containers.flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom?.secretKeyRef ?? {})),
    ...containers.flatMap(({ envFrom = [] }) => envFrom.map(({ secretRef }) => secretRef ?? {})),
    ...(spec.volumes ?? []).flatMap(({ secret }) => {
      const { secretName: name, optional, items } = secret ?? {};
      const reference = { ...(name !== undefined && { name }), ...(optional !== undefined && { optional }) };
      return items ? items.map(({ key }) => ({ ...reference, key })) : [reference];
    }),
  ];
}

/** By what the controllers tell: whom they see leading. */
export async function checkLeader(release: Release): Promise<Verdict> {
  const { api } = release;
  const controllers = await release.podsOf('controller');
  const failures: string[] = [];
  for (const { metadata, spec } of controllers) {
    const ports = spec.containers.flatMap((container) => container.ports ?? []);
    const port = ports.find(({ name }) => name === 'health')?.containerPort;
    if (port === undefined) continue;
    try {
      const text = await api.text(`${api.pods(metadata.name)}:${port}/proxy/metrics`);
      const [, leader] = /^dray_cluster_leader\{controller="([^"]+)"\} 1$/m.exec(text) ?? [];
      if (leader !== undefined) return ok(leader);
      failures.push(`${metadata.name} sees none`);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  const [failure = 'there is no controller'] = failures;
  return wrong(
    `no controller is known to lead: ${failure}`,
    'See the controllers’ logs; without one that leads, retries wait and nothing is scaled.',
  );
}
