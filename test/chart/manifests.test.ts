/** deploy/kubernetes: what the chart is for those who have no helm. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { chartDigest, folder, manifests } from '../../scripts/chart/manifests.mjs';
import { root } from '../support/sources.js';
import { hasHelm, type Manifest } from './helm.js';

const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const all = names.flatMap((name) => loadAllYaml(text(name)) as Manifest[]);
/** Those in folders of their own, which not everybody applies. */
const optional = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.includes('/') && name.endsWith('.yaml'))
  .flatMap((name) => loadAllYaml(text(name)) as Manifest[]);

interface MadeSecret {
  readonly metadata: { readonly name: string };
  readonly stringData: Readonly<Record<string, string>>;
}
const madeSecrets = (): readonly MadeSecret[] => {
  const script = join(root, 'scripts/kubernetes-secrets.mjs');
  const { items } = JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' })) as {
    items: readonly MadeSecret[];
  };
  return items;
};

describe('the plain manifests', () => {
  it('are of the age of the chart', () => {
    expect(text('chart.sha256').trim(), 'run npm run manifests').toBe(chartDigest());
  });

  it.skipIf(!hasHelm)('are what helm makes of the chart', () => {
    for (const [name, content] of Object.entries(manifests())) expect(text(name), name).toBe(content);
  });

  it('hold nothing secret', () => {
    const filled = [...all, ...optional].filter(
      ({ kind, data, stringData }) => kind === 'Secret' && (data ?? stringData),
    );
    expect(filled.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  it('are all in one namespace, but for what belongs to the cluster', () => {
    const places = new Map([...all, ...optional].map(({ kind, metadata }) => [kind, metadata.namespace]));
    const elsewhere = [...places].filter(([, namespace]) => namespace !== 'dray');
    expect(elsewhere.map(([kind]) => kind).sort()).toEqual([
      'APIService',
      'ClusterRole',
      'ClusterRoleBinding',
    ]);
  });

  it('have no kind that a plain cluster does not know', () => {
    const groups = new Set(all.map(({ apiVersion }) => apiVersion.split('/')[0]!));
    expect([...groups].filter((group) => group.includes('.') && !group.endsWith('.k8s.io'))).toEqual([]);
  });
});

describe('the Secrets of the plain manifests', () => {
  it('have each key that pods ask for', () => {
    const made = new Map(madeSecrets().map(({ metadata, stringData }) => [metadata.name, stringData]));
    const asked = new Set<string>();
    JSON.stringify(
      [...all, ...optional],
      (key, value: { name?: string; key?: string; secretName?: string }) => {
        if (key === 'secretKeyRef' || key === 'credentials') asked.add(`${value.name}/${value.key}`);
        if (key === 'secret') asked.add(`${value.secretName}/keys.json`);
        return value;
      },
    );
    const missing = [...asked].filter((one) => {
      const [name, key] = one.split('/') as [string, string];
      return !made.get(name)?.[key];
    });
    expect(asked.size).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });

  it('have API keys whose hashes are in the file of keys', () => {
    const { stringData } = madeSecrets().find(({ metadata }) => metadata.name === 'dray-api-key')!;
    const { keys } = JSON.parse(stringData['keys.json']!) as { keys: readonly object[] };
    const expected = Object.entries({ key: 'admin', 'read-key': 'read' }).map(([name, scope]) => {
      const key = stringData[name]!;
      expect(key).toMatch(/^dray_[0-9a-f]{12}_[\w-]{43}$/);
      return { id: key.slice(5, 17), scope, hash: createHash('sha256').update(key).digest('hex') };
    });
    expect(keys).toMatchObject(expected);
  });

  it('have passwords that are never the same', () => {
    const [one, another] = [madeSecrets(), madeSecrets()];
    const values = [one, another].flatMap((items) =>
      items.map(({ stringData }) => Object.values(stringData).at(-1)),
    );
    expect(new Set(values).size).toBe(8);
  });
});
