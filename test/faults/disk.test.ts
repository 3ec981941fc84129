/** The disk is full at any moment of a mixed load, also while a server dies and starts: nothing is lost or half. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { canMount, mountSmallDisk } from '../support/small-disk.js';
import type { TestServer } from '../support/server.js';
import { checkInvariants, fault, type Drill } from './fault.js';
import { MixedLoad } from './mixed-load.js';
import { checkBlobs, Uploads } from './uploads.js';

fault('disk', 'a full disk loses nothing accepted and leaves nothing half', async (drill) => {
  if (!canMount()) {
    drill.say('left out: mounting a small disk needs the right to mount');
    return;
  }
  const { random, quick } = drill;
  const [rounds, jobs] = quick ? [3, 100] : [40, 2_000];
  const disk = mountSmallDisk(quick ? '24m' : '128m', 10_000);
  drill.after(() => disk.remove());
  const data = join(disk.path, 'data');
  let server = await start(drill, data);
  const load = new MixedLoad(random, jobs);
  const uploads = new Uploads(random, 400_000);
  load.url = server.url;
  const sending = load.submitAll();
  sending.catch(() => undefined); // said where it is awaited
  let deaths = 0;
  let refusedStarts = 0;

  for (let round = 1; round <= rounds; round++) {
    load.allow((round - 0.5) / rounds);
    await systemClock.sleep(random.between(0, 300));
    const free = disk.fill();
    load.allow(round / rounds);
    for (let more = random.between(1, 4); more > 0; more--) await uploads.send(server.url);
    await systemClock.sleep(random.between(0, 500));
    if (random.chance(0.3)) {
      load.url = undefined;
      await server.kill();
      deaths += 1;
      const early = await start(drill, data).catch((error: unknown) => String(error));
      if (typeof early === 'string') {
        expect(early).toMatch(/disk .*is full|no room on the disk/);
        refusedStarts += 1;
      }
      free();
      server = typeof early === 'string' ? await start(drill, data) : early;
      load.url = server.url;
    } else free();
    await uploads.send(server.url);
    if (round % 10 === 0) drill.say(`full ${round} times, ${load.accepted.size} jobs accepted`);
  }

  load.allow(1);
  await sending;
  drill.say(
    `${load.refused} submits were told to come back; uploads: ${uploads.summary()}; ` +
      `${deaths} servers died on the full disk, ${refusedStarts} could not start on it`,
  );
  expect(await load.check(await load.allEnded())).toEqual([]);
  expect(await uploads.check(server.url)).toEqual([]);
  expect(uploads.answers.get(201)).toBeGreaterThan(0);
  await server.stop();
  expect((await checkInvariants(data)).jobs).toBe(jobs);
  expect(await checkBlobs(data)).toEqual([]);
  drill.say(`${jobs} jobs ended as they should, and ${uploads.accepted.size} blobs are whole`);
});

function start(drill: Drill, data: string): Promise<TestServer> {
  // Retention would make room by removing finished jobs, which are to be counted here; and it shall get really full.
  const args = [
    '--min-executors',
    '2',
    '--max-executors',
    '2',
    '--disk-share',
    '1',
    '--min-free',
    '0',
    '--log-level',
    'error',
  ];
  return drill.server({ data, args });
}
