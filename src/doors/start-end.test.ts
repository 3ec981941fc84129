import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../clock.js';
import type { Engine, Job } from '../engine/engine.js';
import type { App, Dependencies } from '../http/dependencies.js';
import { DrayError } from '../jobs/errors.js';
import { statuses, type Status } from '../jobs/life-cycle.js';
import { defaultRetry } from '../jobs/retry.js';
import { TaskRegistry } from '../tasks/registry.js';
import { createStartEnd } from '../tasks/start-end.js';
import { startEndJobs } from './start-end.js';

/** The door alone, in front of a store that answers as told. */
function doorTo(engine: Partial<Engine>): App {
  const app: App = Fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.setValidatorCompiler(() => () => true);
  const tasks = new TaskRegistry([createStartEnd({ simulateSeconds: 0, clock: systemClock })]);
  const dependencies: Partial<Dependencies> = {
    engine: engine as Engine,
    tasks,
    clock: systemClock,
    jobsRefusal: () => undefined,
    dataRefusal: () => undefined,
    bodyLimit: 1e9,
    projected: new Set(),
  };
  startEndJobs(app, dependencies as Dependencies);
  return app;
}

const id = '01890000-0000-7000-8000-000000000001';
const job = (status: Status): Job => ({
  id,
  type: 'start-end',
  status,
  version: 1,
  input: { inline: { end: 'stop!', start: 'go!' } },
  retry: defaultRetry,
  timeoutMs: 1,
  attempt: 1,
  maxAttempts: 5,
  priority: 'normal',
  held: false,
  labels: {},
  createdAt: 0,
  worker: 'host:1',
  attempts: [],
  ...(status === 'completed' ? { result: { inline: { worker: '10.1.2.3' } } } : {}),
});

describe('a start/end job', () => {
  it('has a word of its own for every status, and its worker once that is known', async () => {
    const texts: string[] = [];
    for (const status of statuses) {
      const app = doorTo({ get: () => Promise.resolve(job(status)) });
      texts.push((await app.inject(`/jobs/${id}`)).payload);
    }
    const text = (status: string, rest = '') =>
      `{"status":"${status}","start":"go!","end":"stop!","id":"${id}"${rest}}`;
    expect(texts).toEqual([
      text('submitted'),
      text('submitted'),
      text('in progress'),
      text('complete', ',"worker":"10.1.2.3"'),
      text('failed'),
      text('cancelled'),
    ]);
  });

  it('is found by its id in capitals too', async () => {
    const asked: string[] = [];
    const app = doorTo({ get: (params) => Promise.resolve(void asked.push(params.id)) });
    expect((await app.inject(`/jobs/${id.toUpperCase()}`)).statusCode).toBe(404);
    expect(asked).toEqual([id]);
  });
});

describe('the start/end door in front of a store in trouble', () => {
  it.each([
    [507, new DrayError('storage-full', 'the disk of the data folder is full')],
    [503, new DrayError('unavailable', 'the engine is closed')],
  ])('answers %i and when to come back', async (status, error) => {
    const app = doorTo({ submit: () => Promise.reject(error) });
    const answer = await app.inject({ method: 'POST', url: '/jobs', payload: '{"start":"a","end":"b"}' });
    expect(answer.statusCode, answer.payload).toBe(status);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json()).toEqual({ status: 'Error', message: error.message });
  });

  it('says nothing of what went wrong inside', async () => {
    const app = doorTo({ list: () => Promise.reject(new Error('secret')) });
    const answer = await app.inject('/jobs');
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toEqual({ status: 'Error', message: 'The server met an unexpected error.' });
  });
});
