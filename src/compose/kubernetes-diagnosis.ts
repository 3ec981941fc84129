/** Looks at a release in Kubernetes, as it is now, and says what to do about what is wrong. */
import { systemClock } from '../clock.js';
import type { Finding } from '../jobs/diagnosis.js';
import { ApiError, connect, type Api } from '../kubernetes/api.js';
import { checkLeader, checkPods, checkSecrets } from './kubernetes/pod-checks.js';
import { Release } from './kubernetes/release.js';
import { checkRights } from './kubernetes/rights-check.js';
import { checkApiService, checkAutoscalers, checkMetric } from './kubernetes/scaling-checks.js';
import { findAll, ok, warning, wrong, type Checks, type Verdict } from './verdicts.js';

/** The first whose autoscaling, probes and policies have all that the chart uses. */
const oldestMinor = 30;

export interface KubernetesPlace {
  /** Undefined: all of the namespace. */
  readonly release: string | undefined;
  /** Undefined: that of the context or, inside of a cluster, of the pod. */
  readonly namespace: string | undefined;
}

export async function diagnoseKubernetes({ release: name, namespace }: KubernetesPlace): Promise<Finding[]> {
  let api: Api;
  try {
    api = await connect({ namespace, clock: systemClock });
  } catch (error) {
    return [{ check: 'kubernetes', ...wrong((error as Error).message, 'Set KUBECONFIG.') }];
  }
  try {
    const cluster = await findAll({ kubernetes: () => checkVersion(api) });
    if (isWrong(cluster)) return cluster;
    const release = new Release(api, name);
    const pods = await findAll({ pods: () => asFarAsAllowed(() => checkPods(release)) });
    // Of what is not there, or may not be seen, all else says nothing.
    const seen = await release.pods().catch(() => []);
    if (seen.length === 0) return [...cluster, ...pods];
    const checks: Record<string, (of: Release) => Promise<Verdict>> = {
      secrets: checkSecrets,
      rights: checkRights,
      'leading controller': checkLeader,
      'metrics api': checkApiService,
      metric: checkMetric,
      autoscalers: checkAutoscalers,
    };
    const bound: Checks = Object.fromEntries(
      Object.entries(checks).map(([check, run]) => [check, () => asFarAsAllowed(() => run(release))]),
    );
    return [...cluster, ...pods, ...(await findAll(bound))];
  } finally {
    api.close();
  }
}

function isWrong(findings: readonly Finding[]): boolean {
  return findings.some(({ state }) => state === 'wrong');
}

async function checkVersion(api: Api): Promise<Verdict> {
  try {
    const { gitVersion, major, minor } =
      await api.get<Record<'gitVersion' | 'major' | 'minor', string>>('/version');
    const detail = `${gitVersion} at ${api.server}, namespace ${api.namespace}`;
    // Managed ones have a minor such as "33+".
    const fits = Number(major) > 1 || Number.parseInt(minor, 10) >= oldestMinor;
    return fits ? ok(detail) : wrong(detail, `Upgrade the cluster to 1.${oldestMinor} or newer.`);
  } catch (error) {
    return wrong((error as Error).message, 'Check KUBECONFIG, and that this machine reaches the API server.');
  }
}

/** What the doctor may not look at is no fault of the release. */
async function asFarAsAllowed(check: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.forbidden)
      return warning(`not looked at: ${error.message}`, 'Run it with a KUBECONFIG that may read this.');
    return wrong(error.message, 'See whether the API server is well, and try again.');
  }
}
