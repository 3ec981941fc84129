/** The group external.metrics.k8s.io, of which Dray serves one metric: how many workers each pool should have. */
import { DrayError } from '../../jobs/errors.js';
import type { PoolPlans } from '../../jobs/scaling.js';
import { parseSelector } from './label-selector.js';
import { Refusal } from './refusal.js';

export const group = 'external.metrics.k8s.io';
export const version = 'v1beta1';
const groupVersion = `${group}/${version}`;
export const metricName = 'dray_desired_workers';

const groupEntry = {
  name: group,
  versions: [{ groupVersion, version }],
  preferredVersion: { groupVersion, version },
};

/** By path. */
export const discovery: Readonly<Record<string, unknown>> = {
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [groupEntry] },
  [`/apis/${group}`]: { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry },
  [`/apis/${groupVersion}`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: [
      {
        name: metricName,
        singularName: '',
        namespaced: true,
        kind: 'ExternalMetricValueList',
        verbs: ['get'],
      },
    ],
  },
};

/** What a path of values asks for; undefined where it is none. */
export function parsePath(path: string): { readonly namespace: string; readonly metric: string } | undefined {
  const [, namespace, metric] =
    /^\/apis\/external\.metrics\.k8s\.io\/v1beta1\/namespaces\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  if (namespace === undefined || metric === undefined) return undefined;
  try {
    return { namespace: decodeURIComponent(namespace), metric: decodeURIComponent(metric) };
  } catch {
    return undefined;
  }
}

/**
 * An ExternalMetricValueList. Whoever reads several pools adds them up, so that one of which the figure is not known
 * makes all of them unknown: an error, by which an HPA does nothing.
 * @throws Refusal
 */
export function externalMetricValues(params: { plans: PoolPlans; selector: string; now: number }) {
  const { plans, selector, now } = params;
  const pools = [...plans].filter(([pool]) => selects(selector)({ pool }));
  if (pools.length === 0) {
    const known = [...plans.keys()].map((pool) => `pool=${pool}`).join(', ');
    throw new Refusal(404, `${metricName}: "${selector}" finds no pool; there are ${known}`);
  }
  const items = pools.map(([pool, plan]) => {
    if (plan.kind === 'unknown') {
      throw new Refusal(503, `${metricName} of pool ${pool} is not known: ${plan.reason}`);
    }
    return {
      metricName,
      metricLabels: { pool },
      timestamp: new Date(now).toISOString().replace(/\.\d+/, ''),
      value: String(plan.desired),
    };
  });
  return { kind: 'ExternalMetricValueList', apiVersion: groupVersion, metadata: {}, items };
}

function selects(selector: string): ReturnType<typeof parseSelector> {
  try {
    return parseSelector(selector);
  } catch (error) {
    if (error instanceof DrayError) throw new Refusal(400, error.message, { cause: error });
    throw error;
  }
}
