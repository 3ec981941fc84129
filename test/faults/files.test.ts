/** Writes come in parts, and fail, and so does making them durable: a blob is whole, or the client was told. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { checkInvariants, fault } from './fault.js';
import { MixedLoad } from './mixed-load.js';
import { checkBlobs, Uploads } from './uploads.js';

const preload = new URL('./preload/files.mjs', import.meta.url);
/** Of calls: `full` is the share of failures that say so, the others are EIO. */
const rates = { short: 0.3, write: 0.03, fdatasync: 0.05, fsync: 0.03, full: 0.5 };

fault('files', 'files that fail leave no blob half, and no job without its result', async (drill) => {
  const { random, quick } = drill;
  const data = await drill.folder();
  const control = join(await drill.folder(), 'rates.json');
  writeFileSync(control, '{}');
  const server = await drill.server({
    data,
    args: ['--min-executors', '2', '--max-executors', '2', '--log-level', 'silent'],
    env: { NODE_OPTIONS: `--import=${preload.href}`, DRAY_FAULT_FILES: control },
  });
  // What is wrong with a file is the server's fault, so the answer may be 500.
  const load = new MixedLoad(random, quick ? 100 : 2_000, { comeBack: [500, 503, 507] });
  const uploads = new Uploads(random, quick ? 2_000_000 : 24_000_000);
  load.url = server.url;
  load.allow(1);
  writeFileSync(control, JSON.stringify(rates));
  const sending = load.submitAll();
  sending.catch(() => undefined); // said where it is awaited
  // On until one was refused too: the rates promise no number.
  for (let sent = 0; sent < (quick ? 30 : 300) || uploads.answers.size < 2; sent++)
    await uploads.send(server.url);
  await sending;
  drill.say(`${load.refused} submits refused, uploads: ${uploads.summary()}`);
  const ended = await load.allEnded();
  writeFileSync(control, '{}');

  expect(await load.check(ended)).toEqual([]);
  expect(await uploads.check(server.url)).toEqual([]);
  expect([...uploads.answers.keys()].sort().filter((status) => ![201, 500, 507].includes(status))).toEqual(
    [],
  );
  await server.stop();
  await checkInvariants(data);
  expect(await checkBlobs(data)).toEqual([]);
  drill.say(`${ended.length} jobs ended as they should, and ${uploads.accepted.size} blobs are whole`);
});
