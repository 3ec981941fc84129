/** What the chart has copies of: Helm reads no file outside of a chart's folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { copies } from '../../scripts/chart/copies.mjs';
import { root } from '../support/sources.js';

const text = (file: string): string => readFileSync(join(root, file), 'utf8');

it.each(Object.entries(copies))('%s is a copy of %s', (copy, original) => {
  expect(text(copy), 'run npm run chart').toBe(text(original));
});

it('the load test in the cluster is by the locust that the tests run with', () => {
  const { loadtest } = loadYaml<{ loadtest: { image: string } }>(text('deploy/helm/dray/values.yaml'));
  const [, version] = /^locust==(\S+)$/m.exec(text('loadtest/requirements.txt'))!;
  expect(loadtest.image).toMatch(new RegExp(`/locust:${version}$`));
});
