/** Once per run: a process that starts Redis, RabbitMQ and an S3 server when a test file asks for them. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const host = fork(fileURLToPath(new URL('services-host.mjs', import.meta.url)));
  const [port] = (await once(host, 'message')) as [number];
  project.provide('services', `http://127.0.0.1:${port}`);
  return async () => {
    const exited = once(host, 'exit');
    host.disconnect();
    await exited;
  };
}
