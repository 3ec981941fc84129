/** Somebody takes messages out of the queues and puts them back twice, in another order. */
import { connect } from 'amqplib';
import { priorities } from '../../../src/jobs/priority.js';
import { eventually } from '../../support/eventually.js';
import type { Random } from '../../support/random.js';
import { clusterFault } from '../deployment/cluster-fault.js';

const atOnce = 20;

clusterFault('cluster-duplicates', 'messages that come twice and in any order run their jobs once', {
  rounds: { full: 20, quick: 4 },
  checked: true,
  happens: async ({ deployment, drill }) => {
    const { random } = drill;
    await deployment.pause(0, 500);
    // A queue that is just being made may cost RabbitMQ 3.10 the connection of whoever reads from it.
    await eventually(
      () => meddleWith(deployment.rabbit.url, random).catch((error: unknown) => drill.say(String(error))),
      (done) => done === 'done',
    );
  },
  then: async ({ deployment, drill }) =>
    drill.say(`${await deployment.figure('dray_cluster_stale_total')} stale deliveries were dropped`),
});

async function meddleWith(url: string, random: Random): Promise<'done'> {
  const meddler = await connect(url);
  const broken = new Promise<never>((_resolve, reject) => meddler.on('error', reject));
  const work = async (): Promise<'done'> => {
    const channel = await meddler.createConfirmChannel();
    for (let turn = 0; turn < 10; turn++) {
      for (const type of ['echo', 'sleep']) {
        for (const priority of priorities) {
          const queue = `dray.ready.${type}.${priority}`;
          await channel.assertQueue(queue, {
            durable: true,
            deadLetterExchange: 'dray.dead',
            deadLetterRoutingKey: 'dray.dead',
            arguments: { 'x-queue-type': 'quorum' },
          });
          const taken = [];
          for (let got; taken.length < atOnce && (got = await channel.get(queue));) taken.push(got);
          const again = [...taken, ...taken];
          while (again.length > 0) {
            const [one] = again.splice(random.between(0, again.length - 1), 1);
            channel.publish('', queue, one!.content, { ...one!.properties, persistent: true });
          }
          await channel.waitForConfirms();
          for (const one of taken) channel.ack(one);
        }
      }
    }
    await meddler.close();
    return 'done';
  };
  return Promise.race([work(), broken]);
}
