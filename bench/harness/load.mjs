/** Starts processes that answer messages (`answerWith`), among them the load generators of bench/load. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ready, startProcess } from './process.mjs';

/** Gives `run(options)` of the generator: see the messages that its file describes. */
export function startLoad(ctx, name) {
  return startAnswering(ctx, { name, file: new URL(`../load/${name}.mjs`, import.meta.url) });
}

/** @returns once the process has said that it is ready; `run` sends a message and gives the answer to it. */
export async function startAnswering(ctx, { name, file, args = [] }) {
  const service = startProcess({
    name,
    command: process.execPath,
    args: [fileURLToPath(file), ...args.map(String)],
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
