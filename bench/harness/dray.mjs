/** Our side: a `dray serve` of the built checkout, used over HTTP as any client would. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { peakMemory, ready, startProcess } from './process.mjs';
import { request } from './http.mjs';

const main = new URL('../../dist/main.js', import.meta.url).pathname;

/** Starts a server on a free port with an empty data folder inside of the bench's scratch. `env` adds variables. */
export async function startDray(ctx, options = [], env = {}) {
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run npm run build first');
  const folder = mkdtempSync(join(ctx.scratch, 'dray-'));
  let output = '';
  const service = startProcess({
    name: 'dray',
    command: process.execPath,
    args: [main, 'serve', '--port', '0', '--data', join(folder, 'data'), ...options],
    env,
    cwd: folder,
    log: join(folder, 'log'),
    stdout: 'pipe',
  });
  ctx.defer(() => service.stop());
  // Read to the end of the server's life: a full pipe would stop it.
  service.child.stdout.on('data', (chunk) => {
    if (output.length < 100_000) output += chunk;
  });
  const address = () => /dray is ready at (http:\/\/[^\s"]+)/.exec(output)?.[1];
  await ready(service, () => address() !== undefined);
  const url = address();
  const call = (path, rest = {}) => request({ url: url + path, ...rest });

  return {
    url,
    pid: service.pid,
    stop: () => service.stop(),
    /** Removes what a stopped server has stored, where the next one needs the room. */
    discard: () => rmSync(folder, { recursive: true, force: true }),
    /** Of the process that serves HTTP, in bytes. */
    peakMemory: () => peakMemory(service.pid),

    async upload(file) {
      const headers = { 'content-type': 'application/x-npy' };
      return (await call('/v1/blobs', { method: 'POST', headers, body: { file }, expect: [201] })).json.id;
    },

    /** `body` is a value, or its JSON text as a Buffer, a file or a stream of Buffers. Gives the job's id. */
    async submit(body) {
      const raw =
        body instanceof Uint8Array || body.file || body[Symbol.iterator] || body[Symbol.asyncIterator];
      const sent = raw ? body : Buffer.from(JSON.stringify(body));
      const headers = { 'content-type': 'application/json' };
      return (await call('/v1/jobs', { method: 'POST', headers, body: sent, expect: [202] })).json.id;
    },

    /** Up to 1,000 submissions at once. Gives the ids. */
    async submitBatch(jobs) {
      const headers = { 'content-type': 'application/json' };
      const body = Buffer.from(JSON.stringify({ jobs }));
      const { json } = await call('/v1/jobs/batch', { method: 'POST', headers, body, expect: [202] });
      return json.jobs.map(({ id }) => id);
    },

    pause: (type) => call(`/v1/queues/${type}/pause`, { method: 'POST' }),
    resume: (type) => call(`/v1/queues/${type}/resume`, { method: 'POST' }),

    /** Resolves when the job has ended. */
    async ended(id) {
      for (;;) {
        const { json: job } = await call(`/v1/jobs/${id}?wait=30s`);
        if (['completed', 'failed', 'cancelled'].includes(job.status)) return;
      }
    },

    /** Waits for the end of the job. @throws Error unless it completed with its product checked */
    async product(id) {
      for (;;) {
        const { json: job } = await call(`/v1/jobs/${id}?wait=30s`);
        if (['failed', 'cancelled'].includes(job.status)) {
          throw new Error(`job ${id} ${job.status}: ${JSON.stringify(job.error)}`);
        }
        if (job.status !== 'completed') continue;
        const { result } = job;
        if (result.check.status !== 'passed') throw new Error(`job ${id}: ${JSON.stringify(result.check)}`);
        return { result, peakMemory: job.attempts.at(-1)?.peakMemory };
      }
    },

    /** How many jobs of the type there are, by status. */
    async jobs(type) {
      const { text } = await call('/metrics');
      const samples = text.matchAll(/^dray_jobs\{type="([^"]*)",status="([^"]*)"\} (\d+)$/gm);
      return Object.fromEntries([...samples].filter((s) => s[1] === type).map((s) => [s[2], Number(s[3])]));
    },

    /** The records of all jobs of the type, newest first. */
    async records(type) {
      const jobs = [];
      for (let cursor; ;) {
        const page = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const { json } = await call(`/v1/jobs?type=${type}&limit=1000${page}`);
        jobs.push(...json.jobs);
        if (json.nextCursor === undefined || json.nextCursor === null) return jobs;
        cursor = json.nextCursor;
      }
    },

    download: (id, to) => call(`/v1/jobs/${id}/result`, { headers: { accept: 'application/x-npy' }, to }),
  };
}

/** The body of a product of two random square matrices, which never travel. */
export function randomProduct(n, seed = 1) {
  const matrix = (which) => ({ random: { rows: n, cols: n, seed: seed * 2 + which } });
  return { type: 'matmul', input: { a: matrix(0), b: matrix(1) } };
}
