import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Keyring } from './keyring.js';

describe('a key file of a server that runs', () => {
  const clock = new ManualClock();
  let folder: string;
  let keyring: Keyring;
  let errors: unknown[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-keyring-'));
    errors = [];
    keyring = await Keyring.open({
      file: join(folder, 'keys.json'),
      clock,
      onError: (error) => errors.push(error),
    });
  });
  afterEach(async () => {
    keyring.stop();
    await rm(folder, { recursive: true });
  });

  /** Lets looks at the file pass until there are so many errors. */
  const told = (count: number) =>
    eventually(
      () => {
        clock.advance(1_000);
        return errors.length;
      },
      (length) => length >= count,
    );

  it('is tried again where it cannot be read, as that may pass without a change of the file', async () => {
    await mkdir(join(folder, 'keys.json'));
    keyring.start();
    await told(3);
  });

  it('is told of once where it is broken', async () => {
    await writeFile(join(folder, 'keys.json'), '{');
    keyring.start();
    await told(1);
    await writeFile(join(folder, 'next'), 'otherwise broken');
    await rename(join(folder, 'next'), join(folder, 'keys.json'));
    await told(2);
    expect(errors.map(String)).toEqual([
      expect.stringContaining('keys.json cannot be read'),
      expect.stringContaining('otherwise'),
    ]);
  });
});
