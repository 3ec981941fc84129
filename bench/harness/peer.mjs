/** A peer that is a server on a port of its own, from bench/peers. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, ready, startProcess } from './process.mjs';

const peers = fileURLToPath(new URL('../peers/', import.meta.url));

/**
 * @param {{ name: string, command: string, args: (port: string) => string[], ask: (url: string) => Promise<unknown> }} options
 *   `ask` sends a request that must be answered; that nobody listens yet is waited for.
 * @returns the peer's address
 */
export async function startPeer(ctx, { name, command, args, ask }) {
  const port = await freePort();
  const service = startProcess({
    name,
    command,
    args: args(String(port)),
    cwd: peers,
    env: { PYTHONDONTWRITEBYTECODE: '1' },
    log: join(ctx.scratch, `${name}.log`),
  });
  ctx.defer(() => service.stop());
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    ask(url).then(
      () => true,
      (error) => {
        if (error.code === 'ECONNREFUSED') return false;
        throw error;
      },
    );
  await ready(service, answers);
  return url;
}
