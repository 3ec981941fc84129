import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { availableMachine } from './machine.js';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'dray-cgroup-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${text}\n`);
  }
}

const whole = { cores: availableParallelism(), memory: totalmem() };
const MiB = 1_048_576;

describe('the machine', () => {
  it('has what the control group allows', () => {
    write({ 'cpu.max': '150000 100000', 'memory.max': String(64 * MiB) });
    expect(availableMachine(folder)).toEqual({ cores: 1, memory: 64 * MiB });
  });

  it('has what a control group of the first version allows', () => {
    write({
      'cpu/cpu.cfs_quota_us': '100000',
      'cpu/cpu.cfs_period_us': '100000',
      'memory/memory.limit_in_bytes': String(64 * MiB),
    });
    expect(availableMachine(folder)).toEqual({ cores: 1, memory: 64 * MiB });
  });

  it.each([
    { 'cpu.max': 'max 100000', 'memory.max': 'max' },
    {
      'cpu/cpu.cfs_quota_us': '-1',
      'cpu/cpu.cfs_period_us': '100000',
      'memory/memory.limit_in_bytes': '9223372036854771712',
    },
    {},
  ])('is whole where nothing bounds it: %j', (files) => {
    write(files);
    expect(availableMachine(folder)).toEqual(whole);
  });
});
