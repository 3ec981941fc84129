/** Loads an address with wrk, which costs a fraction of what the servers do, as a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * @param {{ url: string, script: string, connections: number, seconds: number }} options `script` is a file of
 *   bench/load that takes in figures.lua.
 * @returns {Promise<{ requests: number, requestsPerSecond: number, seconds: number, p50: number, p99: number,
 *   max: number, generatorBusy: number }>} latencies in ms, of all requests that were answered
 * @throws Error where wrk is missing, or any request failed
 */
export async function wrk({ url, script, connections, seconds }) {
  const cwd = fileURLToPath(new URL('../load/', import.meta.url));
  const args = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script, url];
  const { stdout } = await promisify(execFile)('wrk', args, { cwd }).catch((error) => {
    if (error.code === 'ENOENT') throw new Error('wrk is missing: on Debian, apt-get install wrk');
    throw error;
  });
  const line = /^figures (.*)$/m.exec(stdout)?.[1];
  if (line === undefined) throw new Error(`wrk has printed no figures:\n${stdout}`);
  const figures = JSON.parse(line);
  if (figures.failed > 0) throw new Error(`${figures.failed} requests to ${url} failed:\n${stdout}`);
  return figures;
}
