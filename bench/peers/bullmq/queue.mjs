/** How the processes of the BullMQ peer open its queues. */
import { Queue, QueueEvents } from 'bullmq';

const connection = (port) => ({ host: '127.0.0.1', port: Number(port) });

/**
 * Finished jobs leave Redis at once, which is BullMQ at its fastest: it keeps no history, where Dray keeps all of it.
 * Failed ones stay, so that a bench sees that there are none.
 */
export function openQueue(name, port) {
  return new Queue(name, {
    connection: connection(port),
    defaultJobOptions: { removeOnComplete: true, removeOnFail: false },
  });
}

export function openEvents(name, port) {
  return new QueueEvents(name, { connection: connection(port) });
}
