/** Dray's HTTP API as the benches use it, whatever processes are behind it. */
import { request } from './http.mjs';

/** @param {string} url of the API */
export function clientOf(url) {
  const call = (path, rest = {}) => request({ url: url + path, ...rest });
  return {
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

    cancel: (id) => call(`/v1/jobs/${id}/cancel`, { method: 'POST' }),

    /** The id of the worker that runs the job. */
    workerOf: async (id) => (await call(`/v1/jobs/${id}`)).json.worker,

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
