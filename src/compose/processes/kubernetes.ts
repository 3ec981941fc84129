/** What a controller does for Kubernetes' scaling: it serves the figure, and says which pods may go first. */
import { Loop } from '../../control/loop.js';
import type { BeforeLower } from '../../control/plan-publisher.js';
import { DrayError } from '../../jobs/errors.js';
import { connect, type Api } from '../../kubernetes/api.js';
import { DeletionCosts } from '../../kubernetes/deletion-costs.js';
import { CertificateKeeper } from '../../kubernetes/metrics-api/certificate-keeper.js';
import { MetricsApi } from '../../kubernetes/metrics-api/server.js';
import { Trouble } from '../../log.js';
import type { Deployment } from './deployment.js';

interface Service {
  start(): void;
  stop(): Promise<unknown>;
}

export interface KubernetesPart {
  /** @throws DrayError where the metrics API, if there is to be one, does not serve yet. */
  ready(): void;
  /** What the leader alone does. */
  duties(): readonly Service[];
  readonly beforeLower: BeforeLower;
  close(): Promise<void>;
}

/** Between two looks at certificates and rules: a renewed one is served after so long. */
const refreshMs = 5_000;
const keepMs = 10_000;
const costsMs = 1_000;

/** @throws DrayError where the options do not fit together, or no Kubernetes is configured. */
export async function openKubernetesPart(deployment: Deployment): Promise<KubernetesPart | undefined> {
  const { config, engine, clock, log } = deployment;
  if (config.kubernetesMetricsPort === 0 && !config.podDeletionCosts) return undefined;
  const api = await connect({ namespace: undefined, clock });
  const metrics = config.kubernetesMetricsPort === 0 ? undefined : serveMetrics(deployment, api);
  const costs = config.podDeletionCosts ? new DeletionCosts({ api, clock, log }) : undefined;
  const writeCosts = async (): Promise<void> => costs?.write(busySlots(await engine.fleet.workers()));
  return {
    ready: () => metrics?.ready(),
    duties: () => [
      ...(metrics ? [metrics.keeper()] : []),
      ...(costs
        ? [
            loop(deployment, writeCosts, {
              intervalMs: costsMs,
              begins: 'how busy the workers are is not known: their pods’ deletion costs stay as they are',
              ends: 'how busy the workers are is known again',
            }),
          ]
        : []),
    ],
    beforeLower: writeCosts,
    close: async () => {
      await metrics?.stop();
      api.close();
    },
  };
}

/** By pod: a process announces several workers, for executors and for inline tasks. */
export function busySlots(workers: readonly { readonly host: string; readonly busy: number }[]) {
  const busy = new Map<string, number>();
  for (const worker of workers) busy.set(worker.host, (busy.get(worker.host) ?? 0) + worker.busy);
  return busy;
}

function serveMetrics(deployment: Deployment, api: Api) {
  const { config, engine, clock, log } = deployment;
  const { host, kubernetesMetricsPort: port } = config;
  const secret = needed('secret', config.kubernetesMetricsSecret);
  const service = needed('service', config.kubernetesMetricsService);
  const server = new MetricsApi({ api, host, port, secret, plans: () => engine.fleet.plans(), clock, log });
  let trouble = 'it has just been started';
  const refresh = async (): Promise<void> => {
    await server.refresh().catch((error: unknown) => {
      trouble = error instanceof Error ? error.message : String(error);
      throw error;
    });
  };
  const refreshing = loop(deployment, refresh, {
    intervalMs: refreshMs,
    begins: 'the metrics API cannot read its certificates or rules',
    ends: 'the metrics API has its certificates and rules',
  });
  refreshing.start();
  return {
    ready: (): void => {
      if (server.address) return;
      throw new DrayError('unavailable', `the metrics API for Kubernetes does not serve yet: ${trouble}`);
    },
    keeper: (): Service => {
      const keeper = new CertificateKeeper({ api, secret, service, clock, log });
      return loop(deployment, () => keeper.keep(), {
        intervalMs: keepMs,
        begins: 'the certificates of the metrics API cannot be looked after',
        ends: 'the certificates of the metrics API are looked after again',
      });
    },
    stop: async (): Promise<void> => {
      await refreshing.stop();
      await server.stop();
    },
  };
}

function needed(what: 'secret' | 'service', value: string | undefined): string {
  if (value !== undefined) return value;
  const [option, variable] = [
    `--kubernetes-metrics-${what}`,
    `DRAY_KUBERNETES_METRICS_${what.toUpperCase()}`,
  ];
  throw new DrayError(
    'invalid-request',
    `${option} (${variable}) is not set: --kubernetes-metrics-port needs it`,
    { field: what === 'secret' ? 'kubernetesMetricsSecret' : 'kubernetesMetricsService' },
  );
}

/** Again and again; what it fails by is said once. */
function loop(
  { clock, log }: Deployment,
  run: () => Promise<void>,
  { intervalMs, begins, ends }: { intervalMs: number; begins: string; ends: string },
): Service {
  const trouble = new Trouble({ log, begins, ends });
  const pass = (): Promise<void> =>
    run().then(
      () => trouble.over(),
      (error: unknown) => trouble.met({ error: error instanceof Error ? error.message : String(error) }),
    );
  const inner = new Loop({ clock, intervalMs, pass });
  return { start: () => void inner.start(), stop: () => inner.stop() };
}
