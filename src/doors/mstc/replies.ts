/** Tells whoever sent a message how its job has ended: at least once, each time under the job's id. */
import type { BlobStore } from '../../blobs/blob-store.js';
import type { Job } from '../../engine/engine.js';
import { readReturnAddress } from './address.js';
import { replyLetter } from './letters.js';
import { replyOf } from './reply.js';
import type { Sender } from './sender.js';

/** Ends whose result is sent and whose reply is not, for the next try: so many are remembered. */
const mostHalfTold = 1_000;

/**
 * The projection of the jobs that came as messages. The reply goes to who asked for it, where that queue still is, and
 * to the queue of all results.
 */
export function replyByMessage(params: {
  sender: () => Promise<Pick<Sender, 'send'>>;
  blobs: BlobStore;
  /** The queue of all results. */
  results: string;
}): (job: Job, rest: string) => Promise<void> {
  const { sender, blobs, results } = params;
  const halfTold = new Set<string>();
  return async (job, rest) => {
    const { replyTo, correlationId } = readReturnAddress(rest);
    const open = await sender();
    const content = { id: job.id, correlationId, reply: JSON.stringify(await replyOf(job, blobs)) };
    const end = `${job.id} ${job.version}`;
    if (!halfTold.has(end)) await open.send([replyLetter(results, content)]);
    if (replyTo === undefined) return;
    // A client whose queue takes no more must not fill the other one with the same result.
    if (halfTold.size < mostHalfTold) halfTold.add(end);
    // A client that has gone away is no fault.
    await open.send([{ ...replyLetter(replyTo, content), droppable: true }]);
    halfTold.delete(end);
  };
}
