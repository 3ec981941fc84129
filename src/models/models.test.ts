import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { ManualClock } from '../../test/support/manual-clock.js';
import { Models } from './models.js';
import type { Tensors } from './tensor.js';

let folder: string;
let models: Models | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-models-'));
});
afterEach(async () => {
  await models?.close();
  await rm(folder, { recursive: true, force: true });
});

const word = (text: string): Tensors => ({ x: { type: 'string', dims: [1], data: [text] } });

describe('a version whose thread died', () => {
  it('and that the next one cannot load says so, and is served again once it can be', async () => {
    const version = join(folder, 'm', '1');
    const refused = join(version, 'refused');
    await mkdir(version, { recursive: true });
    await writeFile(join(version, 'model.onnx'), '');
    const clock = new ManualClock();
    const opened = await Models.open({
      ...{ folder, clock, log: { info: () => undefined, warn: () => undefined } },
      options: { threads: 1, batchRows: 4, batchMs: 0, mostWaiting: 10 },
      script: new URL('../../test/support/model-thread.mjs', import.meta.url),
    });
    models = opened;
    const run = (text: string) => opened.find('m').run({ inputs: word(text), rows: 1 });
    expect(await run('a')).toEqual(word('a'));
    await writeFile(refused, '');
    await expect(run('exit')).rejects.toMatchObject({ code: 'unavailable' });
    const waiting = run('b');
    const failure = expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    clock.advance(1_000);
    await failure;
    const damaged = [{ version: 1, state: 'END', error: 'it is damaged' }];
    expect(opened.status('m')).toEqual(damaged);
    const is = (state: string) =>
      eventually(
        () => opened.status('m'),
        ([status]) => status!.state === state,
      );
    const slow = join(version, 'slow');
    for (let look = 0; look < 2; look++) {
      await writeFile(slow, '');
      await eventually(
        () => {
          clock.advance(2_000);
          return opened.status('m');
        },
        ([status]) => status!.state === 'LOADING',
      );
      await rm(slow);
      await is('END');
      expect(opened.status('m')).toEqual(damaged);
    }
    await rm(refused);
    await eventually(
      () => {
        clock.advance(2_000);
        return opened.status('m');
      },
      ([status]) => status!.state === 'AVAILABLE',
    );
    expect(await run('c')).toEqual(word('c'));
  });
});
