/** Starts a load generator of bench/load and talks to it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ready, startProcess } from './process.mjs';

/** Gives `run(options)` of the generator: see the messages that its file describes. */
export async function startLoad(ctx, name) {
  const service = startProcess({
    name,
    command: process.execPath,
    args: [fileURLToPath(new URL(`../load/${name}.mjs`, import.meta.url))],
    log: join(ctx.scratch, `${name}.log`),
    ipc: true,
  });
  ctx.defer(() => service.stop());
  let here = false;
  service.child.once('message', () => (here = true));
  await ready(service, () => here);
  const answer = () =>
    new Promise((resolve, reject) => {
      service.child.once('message', (message) => {
        if (message.error) reject(new Error(`${name}: ${message.error}`));
        else resolve(message);
      });
      void service.exited.then((status) => reject(new Error(`${name} ended: ${status}`)));
    });
  return {
    send: (message) => service.child.send(message),
    run: (message) => {
      const answered = answer();
      service.child.send(message);
      return answered;
    },
  };
}
