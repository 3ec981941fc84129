/** What the chart has copies of: Helm reads no file outside of a chart's folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../support/sources.js';

it.each(['redis.conf', 'rabbitmq.conf'])('the chart starts its servers with deploy/services/%s', (name) => {
  const text = (folder: string): string => readFileSync(join(root, 'deploy', folder, name), 'utf8');
  expect(text('helm/dray/files'), `run npm run manifests`).toBe(text('services'));
});
