/** Our side: a `dray serve` of the built checkout, used over HTTP as any client would. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clientOf } from './client.mjs';
import { peakMemory, ready, startProcess } from './process.mjs';

const main = new URL('../../dist/main.js', import.meta.url).pathname;

/** Starts a server on a free port with an empty data folder inside of the bench's scratch. `env` adds variables. */
export async function startDray(ctx, options = [], env = {}) {
  const folder = mkdtempSync(join(ctx.scratch, 'dray-'));
  const data = ['--port', '0', '--data', join(folder, 'data')];
  const { url, ...service } = await startPart(ctx, 'serve', folder, [...data, ...options], env);
  return {
    url,
    ...service,
    /** Removes what a stopped server has stored, where the next one needs the room. */
    discard: () => rmSync(folder, { recursive: true, force: true }),
    ...clientOf(url),
  };
}

/**
 * Starts one command of Dray in a folder, and waits until it says that it is ready.
 * @param {'serve' | 'api' | 'worker' | 'controller'} mode
 */
export async function startPart(ctx, mode, folder, options, env) {
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run npm run build first');
  let output = '';
  const service = startProcess({
    name: `dray ${mode}`,
    command: process.execPath,
    args: [main, mode, ...options],
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
  const address = () => /dray(?: \w+)? is ready at (http:\/\/[^\s"]+)/.exec(output)?.[1];
  await ready(service, () => address() !== undefined);
  return {
    url: address(),
    pid: service.pid,
    stop: () => service.stop(),
    kill: () => service.kill(),
    /** Of the process itself, without its executors, in bytes. */
    peakMemory: () => peakMemory(service.pid),
  };
}
