/**
 * Redis is run with `appendfsync everysec` and loses what it wrote last, as where the power fails: what was accepted in
 * that time may be gone, and what was completed in it may run again. Nothing else is lost.
 */
import { expect } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { eventually } from '../../support/eventually.js';
import { clusterFault } from '../deployment/cluster-fault.js';
import { cutJournal, journalBytes, rewriteJournal } from '../deployment/servers.js';

/** An answer may be read so long after the server that gave it was killed, in ms. */
const readMs = 500;
const lost: { readonly from: number; readonly to: number }[] = [];

clusterFault('cluster-lose-second', 'only what was accepted in the second that Redis lost may be gone', {
  appendfsync: 'everysec',
  plain: true,
  rounds: { full: 5, quick: 2 },
  happens: async ({ deployment, drill }) => {
    const { redis } = deployment;
    await deployment.pause(200, 2_000);
    const from = systemClock.monotonic();
    const before = await journalBytes(redis);
    await deployment.pause(200, 1_000);
    await redis.kill();
    lost.push({ from, to: systemClock.monotonic() + readMs });
    const after = await journalBytes(redis);
    const left = drill.random.between(before, after);
    await cutJournal(redis, left);
    drill.say(`${after - left} of ${after} bytes are lost`);
    await redis.restart();
    await eventually(
      () => deployment.client.ping().catch(() => undefined),
      (pong) => pong !== undefined,
    );
    await rewriteJournal(deployment.client);
  },
  judge: ({ deployment, load, drill }, ended) => {
    const byId = new Map(ended.map((job) => [job.id, job]));
    const gone = [...load.accepted].filter(([id]) => !byId.has(id));
    const explained = ({ at }: { at: number }): boolean =>
      lost.some(({ from, to }) => at >= from && at <= to);
    expect(gone.filter(([, accepted]) => !explained(accepted))).toEqual([]);
    expect(ended.filter(({ status }) => status !== 'completed')).toEqual([]);
    const completions = deployment.completions();
    const repeated = [...completions.values()].filter((times) => times > 1).length;
    const unknown = ended.filter(({ id }) => !load.accepted.has(id)).length;
    drill.say(
      `${gone.length} jobs are gone, all of the lost seconds; ${repeated} ran again; ${unknown} are there though their ` +
        'submit got no answer, and was sent again',
    );
    return Promise.resolve();
  },
});
