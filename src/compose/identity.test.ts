import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.js';
import { systemClock } from '../clock.js';
import { DrayError } from '../jobs/errors.js';
import { identityFileName, identityInFolder, identityOf } from './identity.js';

describe('the name of a data folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dray-identity-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is made once, and is no other folder’s', async () => {
    const first = await identityInFolder(folder, systemClock);
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await identityInFolder(folder, systemClock)).toBe(first);
    await rm(join(folder, identityFileName));
    expect(await identityInFolder(folder, systemClock)).not.toBe(first);
  });

  it('is made anew after a crash that left half of it', async () => {
    await writeFile(join(folder, `${identityFileName}.next`), '0123');
    expect(await identityInFolder(folder, systemClock)).toMatch(/^[0-9a-f]{16}$/);
    expect(await readdir(folder)).toEqual([identityFileName]);
  });

  it.each(['', '0123456789abcdef', 'x\n'])('is not guessed where its file holds %j', async (content) => {
    await writeFile(join(folder, identityFileName), content);
    await expect(identityInFolder(folder, systemClock)).rejects.toThrow(/deployment is not what dray wrote/);
  });
});

describe('the name of a deployment', () => {
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const away = () => Promise.reject(new DrayError('unavailable', 'Redis is away'));

  it('is waited for while Redis is away, for a minute', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const identity = ({ otherwise }: { otherwise: string }) =>
      ++asked < 3 ? away() : Promise.resolve(otherwise);
    const fleet = (by: typeof identity) => ({ fleet: { identity: by } }) as Parameters<typeof identityOf>[0];
    const waiting = identityOf(fleet(identity), { clock, log });
    while (asked < 3) await pass(clock);
    expect(await waiting).toMatch(/^[0-9a-f]{16}$/);

    let given: unknown;
    identityOf(fleet(away), { clock, log }).catch((error: unknown) => (given = error));
    while (given === undefined) await pass(clock);
    expect(given).toMatchObject({ code: 'unavailable' });
  });
});

async function pass(clock: ManualClock): Promise<void> {
  clock.advance(1_000);
  await new Promise((resolve) => setImmediate(resolve));
}
