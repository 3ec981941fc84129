/** What a job prints in a worker's process, on its way to those who watch it at an API. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DrayClient, type AnyTasks } from '../../../src/client/index.js';
import { submit } from '../../support/api.js';
import { createDeployment, type TestDeployment } from '../../support/deployment.js';
import { eventually } from '../../support/eventually.js';
import { rabbitVhost, redisDatabase } from '../../support/services.js';
import { userProject } from '../../support/user-project.js';

const [queue, state] = [await rabbitVhost(), await redisDatabase()];

/** Prints a line every few ms until it is cancelled. */
const ticking = (type: string, inline: boolean): string => `{
  type: '${type}',
  input: {},
  output: {},
  inline: ${inline},
  async run(_input, { output, signal }) {
    for (let tick = 0; !signal.aborted; tick++) {
      output('tick ' + tick + '\\n');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw signal.reason;
  },
}`;

describe.skipIf(!queue || !state)('what a job of a deployment prints', () => {
  const project = userProject();
  const tasks = project.write(
    'ticking.mjs',
    `export default [${ticking('tick', false)}, ${ticking('tick-inline', true)}];`,
  );
  let deployment: TestDeployment;
  let redis: Redis;
  let url: string;
  beforeAll(async () => {
    deployment = await createDeployment({ queue: queue!.url, state: state!.url });
    redis = new Redis(state!.url);
    const [api] = await Promise.all([
      deployment.start('api', '--tasks', tasks),
      deployment.start('controller', '--tasks', tasks),
      deployment.start('worker', '--tasks', tasks),
    ]);
    url = api.url;
  });
  afterAll(async () => {
    redis.disconnect();
    await deployment.stop();
    project.remove();
  });

  it.each(['tick', 'tick-inline'])(
    'reaches those who watch it, and is sent on only while they do: %s',
    async (type) => {
      const { id } = await submit(url, type, null);
      const client = new DrayClient<AnyTasks>({ baseUrl: url });
      const channels = () => redis.pubsub('CHANNELS', `*:output:${id}`);
      const watch = async (lines: number, enough = new AbortController()): Promise<string> => {
        let printed = '';
        const onOutput = ({ text }: { text: string }): void => {
          printed += text;
          if (printed.split('\n').length > lines) enough.abort();
        };
        const all = async (): Promise<void> => {
          const events = client.events(id, { signal: enough.signal, onOutput });
          for await (const { status } of events) expect(status).not.toBe('failed');
        };
        await expect(all()).rejects.toMatchObject({ name: 'AbortError' });
        return printed;
      };
      const texts = await Promise.all([watch(20), watch(60)]);
      for (const text of texts) {
        const ticks = [...text.matchAll(/^tick (\d+)$/gm)].map(([, tick]) => Number(tick));
        expect(ticks).toEqual(ticks.map((_, index) => ticks[0]! + index)); // each once, in its order
        expect(ticks.length).toBeGreaterThan(10);
      }
      expect(await eventually(channels, ({ length }) => length === 0)).toEqual([]);
      const enough = new AbortController();
      const again = watch(Infinity, enough);
      expect(await eventually(channels, ({ length }) => length > 0)).toHaveLength(1);
      enough.abort();
      await again;
      await eventually(channels, ({ length }) => length === 0);
      await client.cancel(id);
    },
  );
});
