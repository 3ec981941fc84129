/** Memory that is given back when told, not when the garbage collector sees fit. */
import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { DrayError } from '../../jobs/errors.js';

/** Below it a channel costs more than the memory is worth until the garbage collector comes by. */
const worthwhile = 16 * 1024 * 1024;

/** Above the size that the engine might place in its own heap. */
const smallest = 64;

/**
 * Zeroed, at least `bytes` long.
 * @throws DrayError `out-of-memory` where the machine has not that much.
 */
export function allocate(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(Math.max(bytes, smallest));
  } catch (cause) {
    throw new DrayError('out-of-memory', `the machine refused ${bytes} bytes for a part of a matrix`, {
      cause,
    });
  }
}

/**
 * Frees the buffers, where they are large; all views of them become empty. Two products in a row would otherwise hold the memory of
 * both, and the process be killed for it: buffers sent through a channel that closes are freed with it.
 */
export async function release(buffers: readonly ArrayBuffer[]): Promise<void> {
  const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes < worthwhile) return;
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(null, [...buffers]);
  const closed = once(port2, 'close');
  port1.close();
  port2.close();
  await closed;
}
