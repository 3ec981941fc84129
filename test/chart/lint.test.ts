/** What helm itself has to say of the chart. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { chart, hasHelm } from './helm.js';

describe.skipIf(!hasHelm)('helm lint', () => {
  it('finds nothing, with the values that the chart comes with', () => {
    const { status, stdout, stderr } = spawnSync('helm', ['lint', '--strict', chart], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain('0 chart(s) failed');
    expect(status).toBe(0);
  });
});
