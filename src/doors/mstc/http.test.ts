import Fastify from 'fastify';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Type } from 'typebox';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../../test/support/eventually.js';
import { systemClock as clock } from '../../clock.js';
import { openSqliteEngine } from '../../engine/sqlite/index.js';
import { takeBodies } from '../../http/body.js';
import type { App, Dependencies } from '../../http/dependencies.js';
import { defineTask } from '../../tasks/task.js';
import { TaskRegistry } from '../../tasks/registry.js';
import { MemoryBlobs } from '../../testing/index.js';
import { mstcWorker } from './http.js';

it('the MSTC door cuts no connection on which nothing moves while the container runs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dray-door-'));
  const engine = await openSqliteEngine({ file: join(folder, 'jobs.sqlite'), clock });
  const task = defineTask({
    type: 'container',
    input: Type.Unknown(),
    output: Type.Unknown(),
    run: () => undefined,
  });
  const app: App = Fastify({ connectionTimeout: 60_000 });
  onTestFinished(async () => {
    await app.close();
    await engine.close();
    rmSync(folder, { recursive: true });
  });
  takeBodies(app);
  app.setValidatorCompiler(() => () => true);
  const dependencies: Partial<Dependencies> = {
    ...{ engine, clock, blobs: new MemoryBlobs(), tasks: new TaskRegistry([task]) },
    ...{ projected: new Set(), jobsRefusal: () => undefined, bodyLimit: 1_000 },
  };
  mstcWorker(app, dependencies as Dependencies);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const connected = once(app.server, 'connection') as Promise<[Socket]>;

  const { port } = app.server.address() as AddressInfo;
  const body = JSON.stringify({ image: 'a', jobName: 'b', inputBucketUrl: 'c' });
  const answered = fetch(`http://127.0.0.1:${port}/processRequest`, { method: 'POST', body });
  const [socket] = await connected;
  const signal = new AbortController().signal;
  const [lease] = await engine.claim({ worker: 'w', types: ['container'], max: 1, leaseMs: 60_000, signal });
  await eventually(
    () => socket.timeout,
    (timeout) => timeout === 0,
  );
  const { job, token } = lease!;
  await engine.complete({ id: job.id, token, result: { inline: { durationMs: 7 } } });
  expect(await (await answered).json()).toMatchObject({ jobName: 'b', status: 'completed', duration: 7 });
  expect(socket.timeout).toBeGreaterThan(0);
});
