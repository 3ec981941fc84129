/** The chart as it is handed on, where there is helm. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chart, hasHelm } from './helm.js';

const helm = (...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync('helm', args, {
    encoding: 'utf8',
    maxBuffer: 16 * 1_024 * 1_024,
  });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
};

describe.skipIf(!hasHelm)('the chart', () => {
  it.each([[], ['values-mstc.yaml'], ['values-celsiusify.yaml']])(
    'has nothing for helm lint to find: %s',
    (...files) => {
      const values = files.flatMap((file) => ['--values', join(chart, file)]);
      expect(helm('lint', '--strict', '--kube-version', '1.34.0', ...values, chart)).not.toMatch(
        /ERROR|WARNING/,
      );
    },
  );

  it('renders the same from its package, which has its files in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-chart-'));
    try {
      helm('package', chart, '--destination', folder);
      const [archive] = await readdir(folder);
      // Passwords are made anew each time.
      const render = (from: string): string =>
        helm('template', 'dray', from, '--kube-version', '1.34.0', '--set', 'secrets.create=false');
      expect(render(join(folder, archive!))).toBe(render(chart));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
