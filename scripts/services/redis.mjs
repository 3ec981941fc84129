/** A Redis of one's own: loopback only, all data in one folder, settings of deploy/services/redis.conf. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers } from './greeting.mjs';
import { MissingProgram, findProgram, freePort, ready, startProcess } from './process.mjs';

const settings = fileURLToPath(new URL('../../deploy/services/redis.conf', import.meta.url));

/** @throws MissingProgram where this machine has none */
export function redisProgram() {
  const program = findProgram('redis-server', ['/usr/bin/redis-server']);
  if (!program) throw new MissingProgram('redis-server', 'apt-get install redis-server');
  return program;
}

/**
 * Starts it on a new folder, or again on one that it had, after `stop()` or `kill()`.
 * @param {{ folder: string, port?: number, password?: string, appendfsync?: 'always' | 'everysec' | 'no',
 *   maxmemory?: string | number, config?: Record<string, string | number>, detached?: (pid: number) => void }} options
 *   `folder` is made, and is the caller's to remove; `port` is a free one by default; `maxmemory` as Redis writes
 *   it (`64mb`), none by default; `config` adds lines of redis.conf
 * @returns {Promise<{ url: string, port: number, pid: number, stop(): Promise<void>, kill(): Promise<void> }>}
 *   `kill()` is kill -9
 */
export async function startRedis({
  folder,
  port,
  password,
  appendfsync = 'always',
  maxmemory = 0,
  config = {},
  detached,
}) {
  const command = redisProgram();
  const home = resolve(folder);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  port ??= await freePort();
  const own = {
    bind: '127.0.0.1',
    port,
    dir: `"${home}"`,
    appendfsync,
    maxmemory,
    ...(password && { requirepass: password }),
    ...config,
  };
  const lines = Object.entries(own).map(([name, value]) => `${name} ${value}\n`);
  const file = join(home, 'redis.conf');
  // A password in a file of our own is seen by nobody else; one among the arguments is in every process list.
  writeFileSync(file, `include "${settings}"\n${lines.join('')}`, { mode: 0o600 });
  const log = join(home, 'log');
  const server = startProcess({ name: 'redis-server', command, args: [file], log, detached });
  const greeting = password ? `AUTH ${password}\r\nPING\r\n` : 'PING\r\n';
  // While it still loads its data it answers an error to PING.
  await ready(server, () => answers(port, greeting, password ? '+OK\r\n+PONG' : '+PONG'));
  const login = password ? `:${password}@` : '';
  return {
    url: `redis://${login}127.0.0.1:${port}`,
    port,
    pid: server.pid,
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}
