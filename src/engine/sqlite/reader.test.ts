import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../clock.js';
import { openSqliteEngine } from './index.js';
import { inspectDatabase } from './inspect.js';
import { checkInvariants } from './invariants.js';

it.each<[string, (file: string) => unknown]>([
  ['looked at', (file) => inspectDatabase(file)],
  ['checked', (file) => checkInvariants({ file, hasBlob: () => Promise.resolve(true) })],
  ['refused to be checked while it was open', (file) => refused(file)],
])('a database that was %s can be opened by the same process at once', async (_, look) => {
  const folder = mkdtempSync(join(tmpdir(), 'dray-reader-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'jobs.sqlite');
  await (await open(file)).close();
  await look(file);
  await (await open(file)).close();
});

const open = (file: string) => openSqliteEngine({ file, clock: systemClock });

async function refused(file: string): Promise<void> {
  const engine = await open(file);
  const check = checkInvariants({ file, hasBlob: () => Promise.resolve(true) });
  await expect(check).rejects.toThrow('A server has the data folder open');
  expect(inspectDatabase(file)).toBe('in use');
  await engine.close();
}
