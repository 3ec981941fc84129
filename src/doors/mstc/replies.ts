/** Tells whoever sent a message how its job has ended: at least once, each time under the job's id. */
import type { BlobStore } from '../../blobs/blob-store.js';
import type { Job } from '../../engine/engine.js';
import { PermanentError } from '../../tasks/task.js';
import { readReturnAddress } from './address.js';
import { replyLetter } from './letters.js';
import { replyOf } from './reply.js';
import type { Sender } from './sender.js';

/** Ends whose result is sent and whose reply is not, for the next try: so many are remembered. */
const mostHalfTold = 1_000;
/** A queue that RabbitMQ could not put the reply into so often, over some minutes, is its client's to mend. */
const mostTries = 10;

const elsewhere =
  'the message came from another RabbitMQ than replies go to here: start this process with the --mstc-amqp of the APIs, written with the same host and virtual host';

/**
 * The projection of the jobs that came as messages. The reply goes to who asked for it, where that queue still is, and
 * to the queue of all results.
 */
export function replyByMessage(params: {
  sender: () => Promise<Pick<Sender, 'send' | 'reachable'>>;
  blobs: BlobStore;
  /** Where replies are sent, by `brokerOf`; undefined where there is no such place. */
  broker: string | undefined;
  /** The queue of all results. */
  results: string;
}): (job: Job, rest: string) => Promise<void> {
  const { sender, blobs, broker, results } = params;
  /** How often the reply was tried of those. */
  const halfTold = new Map<string, number>();
  return async (job, rest) => {
    const { replyTo, correlationId, broker: asked = broker } = readReturnAddress(rest);
    // There is no such queue in another one, which would pass for a client that has gone away.
    if (broker !== undefined && asked !== broker) throw new Error(elsewhere);
    const open = await sender();
    const content = { id: job.id, correlationId, reply: JSON.stringify(await replyOf(job, blobs)) };
    const end = `${job.id} ${job.version}`;
    // A client whose queue takes no more must not fill the other one with the same result.
    const tries = halfTold.get(end);
    if (tries === undefined) await open.send([replyLetter(results, content)]);
    if (replyTo === undefined) return;
    // Before the try: what cannot be sent at all may take the connection along each time.
    const { reachable } = open;
    try {
      // A client that has gone away is no fault.
      await open.send([{ ...replyLetter(replyTo, content), droppable: true }]);
      halfTold.delete(end);
    } catch (error) {
      const now = (tries ?? 0) + (reachable ? 1 : 0);
      if (halfTold.size < mostHalfTold || tries !== undefined) halfTold.set(end, now);
      if (now < mostTries) throw error;
      halfTold.delete(end);
      throw new PermanentError(`its result is in ${results}, and cannot be put into ${replyTo}`, {
        cause: error,
      });
    }
  };
}
