import Fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import { takeBodies } from '../http/body.js';
import type { App, ServerDependencies } from '../http/dependencies.js';
import { DrayError } from '../jobs/errors.js';
import { Memory } from '../models/memory.js';
import type { Servable } from '../models/models.js';
import type { Tensors } from '../models/tensor.js';
import { tensorFlowServing } from './tf-serving.js';

let app: App | undefined;
afterEach(() => app?.close());

const info = { name: 'x', type: 'float32', shape: [-1] } as const;
const payload = '{"instances":[1,2,3]}';
/** Its body, and 8 for each element. */
const bytes = payload.length + 3 * 8;

/** The door before a model whose answers the test gives. */
function open(memory: Memory) {
  const runs: { end: () => void; fail: (error: Error) => void }[] = [];
  const servable: Servable = {
    ...{ model: 'm', version: 1, signature: { inputs: [info], outputs: [info] } },
    run: ({ inputs }) =>
      new Promise<Tensors>((resolve, reject) =>
        runs.push({ end: () => resolve(inputs), fail: (error) => reject(error) }),
      ),
  };
  app = Fastify();
  takeBodies(app);
  const models = { find: () => servable, status: () => [] };
  const dependencies = { clock: systemClock, bodyLimit: 1e6 } as ServerDependencies;
  tensorFlowServing(models, () => undefined, memory)(app, dependencies, app.log);
  const ask = async () => {
    const { statusCode, headers, body } = await app!.inject({
      ...{ method: 'POST', url: '/v1/models/m:predict', payload },
      headers: { 'content-type': 'application/json' },
    });
    return { status: statusCode, retryAfter: headers['retry-after'], body };
  };
  const began = async (count: number): Promise<void> => {
    while (runs.length < count) await new Promise(setImmediate);
  };
  return { ask, runs, began };
}

describe('predictions under way', () => {
  it('take no more memory together than they may, and give back what they took', async () => {
    const { ask, runs, began } = open(new Memory(2 * bytes));
    const [first, second] = [ask(), ask()];
    await began(2);
    const third = await ask();
    expect(third).toMatchObject({ status: 429, retryAfter: '5' });
    expect(third.body).toMatch(/all the memory that they may/);
    runs[0]!.end();
    runs[1]!.fail(new DrayError('invalid-request', 'not these'));
    expect((await first).body).toBe('{"predictions":[1.0,2.0,3.0]}');
    expect((await second).status).toBe(400);
    const [fourth, fifth] = [ask(), ask()];
    await began(4);
    for (const { end } of runs) end();
    expect([(await fourth).status, (await fifth).status]).toEqual([200, 200]);
  });

  it('whose body alone is too much for what is left are refused while it comes', async () => {
    const { ask, runs } = open(new Memory(payload.length - 1));
    expect((await ask()).status).toBe(429);
    expect(runs).toEqual([]);
  });
});
