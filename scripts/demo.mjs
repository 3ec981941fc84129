// The tour: `npm run demo` starts a server on a fresh checkout, gives it real work over HTTP, and shows what
// happens when that work fails, is cancelled, or loses its process. It stays up until Ctrl-C; with --exit it
// ends by itself, with exit code 0 only if everything was as it should be.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const main = join(root, 'dist/main.js');
const exitAtEnd = process.argv.includes('--exit');
const size = 2000;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort());

if (!setup() || !build()) process.exit(1);
const { DrayClient } = await import('../dist/client/index.js');
const { systemClock } = await import('../dist/clock.js');
const { createProgress } = await import('../dist/cli/progress.js');
const { awaitJob, matmulSummary } = await import('../dist/cli/waiting.js');
const { formatDuration } = await import('../dist/cli/format.js');
const { grid } = await import('../dist/cli/table.js');

const folder = mkdtempSync(join(tmpdir(), 'dray-demo-'));
const server = await startServer(join(folder, 'data'), join(folder, 'server.log'));
let good = false;
try {
  good = await tour();
  if (!exitAtEnd && !interrupted.signal.aborted) await stayUp();
} catch (error) {
  if (!interrupted.signal.aborted)
    console.error(error instanceof Error ? (error.stack ?? error.message) : error);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
// Ctrl-C is how the demo normally ends; before its work is done, it is a failure.
process.exitCode = good ? 0 : 1;

/** Compiles, unless dist/ is newer than all that it is made from. */
function build() {
  const made = existsSync(main) ? statSync(main).mtimeMs : 0;
  const sources = readdirSync(join(root, 'src'), { recursive: true }).map((name) =>
    join(root, 'src', String(name)),
  );
  sources.push(
    join(root, 'package-lock.json'),
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
  );
  if (sources.every((path) => path.endsWith('.test.ts') || statSync(path).mtimeMs <= made)) return true;
  console.log('building');
  return spawnSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' }).status === 0;
}

async function startServer(data, log) {
  const child = spawn(process.execPath, [main, 'serve', '--port', '0', '--data', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C goes to the whole group of the terminal; the server is stopped by us, in order.
    detached: true,
  });
  const kept = createWriteStream(log);
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const listen = (chunk) => {
      kept.write(chunk);
      if (said.length < 100_000) said += String(chunk);
      const ready = /dray is ready at (http:\S+)\n/.exec(said);
      if (ready) resolve(ready[1]);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', () => reject(new Error(`the server ended before it was ready:\n${said}`)));
  });
  return {
    url,
    data,
    log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        // The server gives running jobs time to end; the second signal hands them back at once.
        const impatient = setTimeout(() => child.kill('SIGTERM'), 2000);
        await exited;
        clearTimeout(impatient);
      }
      kept.end();
    },
  };
}

/** Runs the four jobs one after the other and prints what happened. @returns true where all went as it should. */
async function tour() {
  const client = new DrayClient({ baseUrl: server.url });
  const progress = createProgress(process.stderr, false);
  const { signal } = interrupted;
  const wait = (job) => awaitJob({ client, id: job.id, progress, now: systemClock.now, signal });
  console.log(`dray runs at ${server.url}\n`);

  const steps = [
    [`a ${size} × ${size} product, checked`, () => product(client, progress, wait)],
    ['a job that fails twice, then succeeds', () => flaky(client, wait)],
    ['a job that is cancelled while it runs', () => cancelled(client)],
    ['a job whose process is killed with -9', () => killed(client, wait)],
  ];
  const results = [];
  for (const [title, run] of steps) {
    console.log(title);
    const began = performance.now();
    try {
      results.push({ title, ...(await run()), ms: performance.now() - began });
    } catch (error) {
      progress.stop();
      if (signal.aborted) throw error;
      results.push({ title, ok: false, what: String(error), id: '', ms: performance.now() - began });
    }
    console.log(`  ${results.at(-1).what}\n`);
  }
  const rows = results.map(({ ok, title, ms, id }) => [ok ? 'ok' : 'NOT OK', title, formatDuration(ms), id]);
  console.log(grid([['', 'WHAT', 'TIME', 'JOB'], ...rows]));
  return results.every(({ ok }) => ok);
}

async function product(client, progress, wait) {
  const files = ['a', 'b'].map((field) => ({
    field,
    path: join(folder, `${field}.npy`),
    contentType: 'application/x-npy',
  }));
  const [a, b] = files.map(({ path }) => writeRandomNpy(path));
  const upload = progress.stage('upload', 'bytes');
  const submitted = await client.submitFiles({
    job: { type: 'matmul' },
    files,
    onBytes: (done, total) => upload.update(done, total),
    signal: interrupted.signal,
  });
  upload.finish();
  const job = await wait(submitted);
  if (job.status !== 'completed')
    return { ok: false, id: job.id, what: `ended ${job.status}: ${job.error?.message}` };
  const path = join(folder, 'c.npy');
  const download = progress.stage('download', 'bytes');
  await client.saveResult(job.id, {
    accept: 'application/x-npy',
    path,
    onBytes: (done, total) => download.update(done, total ?? done),
    signal: interrupted.signal,
  });
  download.finish();
  const worst = differenceIn([0, 1, 997, size - 1], a, b, readNpy(path));
  // Each sum of `size` products of numbers below 1 is exact to about size × 2^-53 × its own magnitude.
  const allowed = size * size * 2 ** -53;
  const ok = worst <= allowed && job.result.check.status === 'passed';
  return {
    ok,
    id: job.id,
    what: `${matmulSummary(job.result)}\n  4 rows recomputed here differ by at most ${worst.toExponential(1)}`,
  };
}

async function flaky(client, wait) {
  const job = await wait(
    await client.submit({
      type: 'sleep',
      input: { seconds: 0.3, failTimes: 2 },
      retry: { attempts: 3, baseMs: 500 },
    }),
  );
  const outcomes = job.attempts.map(({ outcome }) => outcome).join(', ');
  return {
    ok: job.status === 'completed' && job.attempt === 3,
    id: job.id,
    what: `ended ${job.status}; attempts: ${outcomes}`,
  };
}

async function cancelled(client) {
  const { id } = await client.submit({ type: 'sleep', input: { seconds: 60 } });
  await executorOf(client, id);
  const began = performance.now();
  await client.cancel(id);
  const job = await client.wait(id, { signal: interrupted.signal });
  await poll('the executor to stop', async () => ((await findExecutor(client, id)) ? undefined : true));
  const ms = performance.now() - began;
  return {
    ok: job.status === 'cancelled',
    id,
    what: `is ${job.status}; its work stopped after ${formatDuration(ms)}`,
  };
}

async function killed(client, wait) {
  const submitted = await client.submit({ type: 'sleep', input: { seconds: 3 }, retry: { baseMs: 500 } });
  // A process that dies before it has begun costs no attempt: this one is killed at work.
  await poll('progress', async () => (await client.get(submitted.id)).progress);
  const pid = await executorOf(client, submitted.id);
  process.kill(pid, 'SIGKILL');
  const job = await wait(submitted);
  const why = job.attempts[0]?.error?.code;
  const ok = job.status === 'completed' && job.attempt === 2 && why === 'executor-crashed';
  return {
    ok,
    id: job.id,
    what: `process ${pid} was killed (${why}); attempt ${job.attempt} ended ${job.status}`,
  };
}

/** The process that runs the job, once there is one. */
function executorOf(client, id) {
  return poll(`an executor to run ${id}`, () => findExecutor(client, id));
}

async function findExecutor(client, id) {
  const workers = await client.workers({ signal: interrupted.signal });
  return workers.flatMap(({ executors }) => executors).find(({ job }) => job === id)?.pid;
}

async function poll(what, ask) {
  for (let turn = 0; turn < 600; turn += 1) {
    const found = await ask();
    if (found !== undefined) return found;
    await pause(50, undefined, { signal: interrupted.signal });
  }
  throw new Error(`waited half a minute for ${what}`);
}

async function stayUp() {
  console.log(`
Look around:
  in the browser   ${server.url}/docs
  in the shell     npx dray jobs list --server ${server.url}
  on the disk      ${server.data}: jobs.sqlite and blobs/
  in the log       ${server.log}
Ctrl-C ends the server and removes its folder.`);
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort');
  console.log('\nstopping');
}

/** Writes size × size numbers in [0, 1) as .npy and returns them, row after row. */
function writeRandomNpy(path) {
  const values = Float64Array.from({ length: size * size }, Math.random);
  const dictionary = `{'descr': '<f8', 'fortran_order': False, 'shape': (${size}, ${size}), }`;
  // The format wants the data to begin at a multiple of 64, and the header to end in a line's end.
  const header = `${dictionary.padEnd(Math.ceil((dictionary.length + 11) / 64) * 64 - 11)}\n`;
  const preamble = Buffer.from([
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    1,
    0,
    header.length & 255,
    header.length >> 8,
  ]);
  writeFileSync(path, Buffer.concat([preamble, Buffer.from(header, 'latin1'), Buffer.from(values.buffer)]));
  return values;
}

function readNpy(path) {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  if (
    !/'descr': *'<f8'/.test(header) ||
    !/'fortran_order': *False/.test(header) ||
    !header.includes(`(${size}, ${size})`)
  ) {
    throw new Error(`not the product that was asked for: ${header}`);
  }
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
}

/** The largest difference of the rows of c to those of a × b, computed here by the definition. */
function differenceIn(rows, a, b, c) {
  if (c.length !== size * size) throw new Error(`the product has ${c.length} elements`);
  let worst = 0;
  for (const row of rows) {
    const sums = new Float64Array(size);
    for (let k = 0; k < size; k += 1) {
      const factor = a[row * size + k];
      for (let column = 0; column < size; column += 1) sums[column] += factor * b[k * size + column];
    }
    for (let column = 0; column < size; column += 1) {
      const difference = Math.abs(sums[column] - c[row * size + column]);
      if (Number.isNaN(difference)) return Infinity;
      worst = Math.max(worst, difference);
    }
  }
  return worst;
}
